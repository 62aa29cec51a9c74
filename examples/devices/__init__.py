"""Devices of households, and what each can offer: parameters are stated, habits are read.

A device knows its own technology. When people are at home, and what their household uses besides,
it takes from the readings; the weather it takes from a temperature series.
"""
