"""What the store's records say of past consumption: across meters, by hour, day and month, against a plan.

May import delivery, exits, meters, and everything below.
"""
