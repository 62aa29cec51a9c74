"""Deliberate faults of sound platforms, one each, and the cases of the kit that find them.

A fault is injected from outside: nothing in the product knows of it.
"""
