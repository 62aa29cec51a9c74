"""Deliveries: events on their way to platforms, each at least once, in order, or visibly dead."""
