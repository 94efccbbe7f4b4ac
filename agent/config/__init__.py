"""The installer's files as frozen values, or every fault with its place.

May import host and judge, and everything below.
"""
