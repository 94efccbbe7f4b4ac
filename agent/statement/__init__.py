"""The monthly statement: made, checked, handed to the utility inside its window, and kept.

May import channels, housekeeping, replacement, and everything below.
"""
