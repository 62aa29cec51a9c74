"""Compares the contracts with those of the last release, and says what would break whom."""
