"""Is it the right meter, and are its values plausible.

Imports no other package.
"""
