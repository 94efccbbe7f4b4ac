"""Requests from outside: one table of operations for the Unix socket and MQTT, the live status, the doctor, and the
same without a daemon.

May import manual, and everything below.
"""
