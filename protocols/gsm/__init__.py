"""Short messages through a GSM modem: PDUs (3GPP TS 23.040, 23.038) and AT commands (27.005, 27.007)."""
