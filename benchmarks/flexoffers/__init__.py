"""What flex-offers cost: their algebra, and their exchange."""
