"""What a point's archives should hold and do not, in which order it is asked for, and what became of it.

May import history, and everything below.
"""
