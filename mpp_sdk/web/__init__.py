"""The web layer that the marketplace and every platform share."""
