"""Points that a person reads: readings typed in, and the reminder when one is due.

May import statement and report, and everything below.
"""
