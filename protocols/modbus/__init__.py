"""Modbus RTU and Modbus TCP, as a master that accepts an answer only if it can be no other question's."""
