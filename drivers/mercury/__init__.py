"""Incotex Mercury 230 family by its own protocol."""
