"""A marketplace and two platforms that integrate by themselves, on real meter data."""
