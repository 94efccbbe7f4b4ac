"""For organisations: consumption of a period per point and tariff, and the half-hour exchange file (Макет 80020).

May import channels, housekeeping, replacement, and everything below.
"""
