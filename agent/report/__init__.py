"""For organisations: consumption of a period per point and tariff, and the half-hour exchange file (Макет 80020).

May import channels and replacement, and everything below.
"""
