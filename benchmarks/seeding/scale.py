"""How large a market is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """How much of everything there is."""

    companies: int
    services: int
    subscriptions: int
    deliveries: int

    def part(self, of: int) -> "Scale":
        """Return a market with one row in so many."""
        return Scale(
            max(20, self.companies // of),
            max(20, self.services // of),
            max(20, self.subscriptions // of),
            max(200, self.deliveries // of),
        )


FULL = Scale(companies=2_000, services=10_000, subscriptions=100_000, deliveries=1_000_000)
"""What the website must stay quick with."""
