"""The act of a replaced meter: close the old one, open the new one, in the installer's own file."""
