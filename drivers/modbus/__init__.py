"""Meters on Modbus RTU and TCP; a model is a TOML file."""
