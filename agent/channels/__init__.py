"""Channels to the utility beside MQTT: SMS through a modem, e-mail through an SMTP server.

May import line, and everything below.
"""
