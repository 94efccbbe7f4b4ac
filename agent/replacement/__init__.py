"""The record of a replaced meter: final readings of the old one, initial readings of the new one, in the installer's
own file.

May import line, and everything below.
"""
