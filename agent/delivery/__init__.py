"""Records to the intake and its receipts back: payloads, the publisher, the broker's connection, the envelope of
commands.

May import config and events, and everything below.
"""
