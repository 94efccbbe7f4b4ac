"""What is known of one meter, and what of it survives a restart.

May import config and events, and everything below.
"""
