"""Flex-offers: what a load can do, what many can do together, and who does what of it.

Consumption is positive, production negative, everywhere. Energies are whole watt-hours (Wh) inside,
kWh at the edges. Nothing here knows of the web but `exchange/`.
"""
