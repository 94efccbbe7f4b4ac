"""Configuration files that several tests begin with."""

FLAT = """
[gateway]
id = "gw-1"
timezone = "Europe/Moscow"
state_dir = "state"
[intake]
url = "mqtt://127.0.0.1:1"
[[bus]]
name = "riser"
port = "/dev/nowhere"
[[meter]]
point = "flat-1"
bus = "riser"
driver = "mercury230"
address = 1
serial = "20000001"
"""
"""One meter; neither its port nor its broker is there."""
