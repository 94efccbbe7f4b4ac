"""Points that is read by hand: readings typed in, and the reminder when one is due.

May import statement and report, and everything below.
"""
