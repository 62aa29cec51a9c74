"""Under way."""

from collections.abc import Sequence
from dataclasses import dataclass

from mpp_sdk.flexoffer.combiners.combination import Combination
from mpp_sdk.flexoffer.model import FlexOffer


@dataclass(frozen=True)
class Totals:
    """Under way."""

    def combine(self, members: Sequence[FlexOffer]) -> Combination:
        """Under way."""
        raise NotImplementedError
