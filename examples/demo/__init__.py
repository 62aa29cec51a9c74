"""A marketplace and three platforms that integrate by themselves, on real meter data."""
