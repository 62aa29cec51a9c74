"""What the tests of flex-offers share: a checker of their own, and random flex-offers."""
