"""What many flex-offers become that are not plain, and how a schedule of it becomes theirs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from mpp_sdk.errors import InvalidInput
from mpp_sdk.flexoffer.model import Default, FlexOffer, Profile
from mpp_sdk.ids import new_id


@dataclass(frozen=True)
class Combination:
    """One flex-offer in place of its members.

    offer has its profile and its default; all else is the first member's, for the caller to set.
    split turns the energies of its slices, in Wh, into those of the members, in their order; they
    sum up to it, and each is feasible for its member, when the offer admits them.
    """

    offer: FlexOffer
    split: Callable[[Sequence[float]], list[Sequence[float]]]
    measure: Callable[[], float]

    @cached_property
    def kept(self) -> float:
        """The share of the flexibility kept, 0 to 1; 1 only where nothing is lost.

        It is the spread between the cheapest and the dearest schedule against that of the members
        on their own, over fixed price curves. It is worked out when it is first asked for.
        """
        return min(max(self.measure(), 0.0), 1.0)  # rounding may lead beyond


class Combiner(Protocol):
    """How members of one kind become one flex-offer, and a schedule of it theirs."""

    def combine(self, members: Sequence[FlexOffer]) -> Combination:
        """Return a combination that promises nothing that the members cannot do.

        It admits the sum of their defaults. The members' starts are aligned by the caller: slice k
        of one is at the time of slice k of another. Raises InvalidInput when they are laid out
        differently.
        """
        ...


def check_layout(members: Sequence[FlexOffer]) -> None:
    """Raise InvalidInput unless there are members, and the slices of all lie alike."""
    if not members:
        raise InvalidInput.field("/members", "required", "There must be a member.")
    layouts = {
        (
            member.interval,
            member.profile.lead,
            tuple(part.duration for part in member.profile.slices),
        )
        for member in members
    }
    if len(layouts) > 1:
        raise InvalidInput.field(
            "/members", "sameLayout", "Their slices do not have the same durations and place."
        )


def summed_default(members: Sequence[FlexOffer]) -> tuple[int, ...]:
    """Return the sum of the members' default energies, in Wh."""
    return tuple(map(sum, zip(*(member.default.energies for member in members), strict=True)))


def offer_like(members: Sequence[FlexOffer], profile: Profile) -> FlexOffer:
    """Return a flex-offer with this profile, and the sum of the members' defaults as its own."""
    first = members[0]
    return replace(
        first,
        profiles=(profile,),
        default=Default(summed_default(members), first.default.start),
        id=new_id(),
    )
