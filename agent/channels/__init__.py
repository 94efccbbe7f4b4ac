"""Ways to the utility beside MQTT: short messages through a modem, letters through an SMTP server."""
