"""The monthly statement: made, checked, handed to the utility inside its window, and kept.

May import channels and replacement, and everything below.
"""
