"""The machine: clock, calendar, periods of local time, systemd.

Imports no other package.
"""
