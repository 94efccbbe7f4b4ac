"""Everything that happens on a bus: port, link, dialogue, rounds, worker, filling between polls, meter clocks, scan.

May import archive, and everything below.
"""
