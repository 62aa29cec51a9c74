from enum import StrEnum

import pytest

from marketplace.core.lifecycle import Lifecycle
from mpp_sdk.errors import IllegalTransition


class Door(StrEnum):
    OPEN = "OPEN"
    SHUT = "SHUT"
    BRICKED_UP = "BRICKED_UP"


DOOR = Lifecycle(
    "Door",
    {
        Door.OPEN: {"shut": Door.SHUT},
        Door.SHUT: {"open": Door.OPEN, "brick_up": Door.BRICKED_UP, "decay": Door.BRICKED_UP},
        Door.BRICKED_UP: {},
    },
    automatic=frozenset({"decay"}),
)


def test_an_allowed_action_leads_to_the_next_state() -> None:
    assert DOOR.after(Door.SHUT, "open") is Door.OPEN


def test_an_illegal_action_names_the_state_and_what_is_allowed() -> None:
    with pytest.raises(IllegalTransition) as caught:
        DOOR.after(Door.OPEN, "brick_up")
    assert caught.value.state == "OPEN"
    assert caught.value.allowed == ("shut",)
    assert "Door is OPEN" in caught.value.detail


def test_a_final_state_allows_nothing() -> None:
    assert DOOR.is_final(Door.BRICKED_UP)
    assert not DOOR.is_final(Door.SHUT)
    with pytest.raises(IllegalTransition, match="final"):
        DOOR.after(Door.BRICKED_UP, "open")


def test_what_nobody_can_ask_for_happens_and_is_not_offered() -> None:
    assert DOOR.after(Door.SHUT, "decay") is Door.BRICKED_UP
    with pytest.raises(IllegalTransition, match=r"Allowed now: open, brick_up\.") as caught:
        DOOR.after(Door.SHUT, "shut")
    assert caught.value.allowed == ("open", "brick_up")
