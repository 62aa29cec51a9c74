"""What a platform remembers of its subscriptions and their points of delivery."""
