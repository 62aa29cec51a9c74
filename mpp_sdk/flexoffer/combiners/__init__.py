"""How flex-offers that are not plain are combined: exactly where that can be, else from the inside.

Summed totals and summed polygons promise what the members cannot do; nothing here sums them so. A
profile with several constraints at once is combined in the form that can hold them all: a polytope
holds totals and dependencies, dependencies hold totals.
"""

from mpp_sdk.flexoffer.combiners.combination import Combination, Combiner
from mpp_sdk.flexoffer.combiners.dependencies import Dependencies
from mpp_sdk.flexoffer.combiners.polytopes import Polytopes
from mpp_sdk.flexoffer.combiners.totals import Totals
from mpp_sdk.flexoffer.model import FlexOffer

__all__ = ["Combination", "Combiner", "Dependencies", "Polytopes", "Totals", "combiner_for"]


def combiner_for(offer: FlexOffer) -> Combiner | None:
    """Return what combines offers of this kind; nothing for what has to stay alone.

    Alternatives (several profiles, options, two modes) stay alone. Combiners of one kind are equal.
    A plain offer is its own sum slice by slice; as one with a total it can be combined as well.
    """
    profile = offer.profile
    if len(offer.profiles) > 1 or offer.two_mode or any(part.options for part in profile.slices):
        return None
    if profile.polytope is not None:
        return Polytopes()
    return Dependencies() if profile.dependencies else Totals()
