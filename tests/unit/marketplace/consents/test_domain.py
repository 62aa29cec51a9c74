from datetime import UTC, datetime, timedelta

import pytest

from marketplace.consents.domain import (
    CONSENT,
    ConsentState,
    Validity,
    allows_activation,
    check_validity,
)
from mpp_sdk.errors import IllegalTransition, InvalidInput

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = {
    ("REQUESTED", "GRANTED"),
    ("REQUESTED", "DENIED"),
    ("REQUESTED", "TIMED_OUT"),
    # GRANTED may be under way still
    ("REQUESTED", "WITHDRAWN"),
    ("REQUESTED", "EXPIRED"),
    ("GRANTED", "WITHDRAWN"),
    ("GRANTED", "EXPIRED"),
    ("DENIED", "REQUESTED"),
    ("TIMED_OUT", "REQUESTED"),
    ("WITHDRAWN", "REQUESTED"),
    ("EXPIRED", "REQUESTED"),
}


@pytest.mark.parametrize("before", list(ConsentState))
@pytest.mark.parametrize("after", list(ConsentState))
def test_every_step(before: ConsentState, after: ConsentState) -> None:
    if (before.value, after.value) in STEPS:
        assert CONSENT.after(before, after) is after
    else:
        with pytest.raises(IllegalTransition) as caught:
            CONSENT.after(before, after)
        assert set(caught.value.allowed) == {b for a, b in STEPS if a == before}


def test_the_end_does_not_belong_to_the_period() -> None:
    validity = Validity(MOMENT, MOMENT + DAY)
    assert validity.covers(MOMENT)
    assert not validity.covers(MOMENT - timedelta(microseconds=1))
    assert validity.covers(MOMENT + DAY - timedelta(microseconds=1))
    assert not validity.covers(MOMENT + DAY)
    assert Validity().covers(MOMENT)


@pytest.mark.parametrize("length", [timedelta(0), -DAY])
def test_the_end_comes_after_the_start(length: timedelta) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_validity(Validity(MOMENT, MOMENT + length))
    assert caught.value.errors[0].pointer == "/validity/end"


@pytest.mark.parametrize("state", [*ConsentState, None])
def test_only_a_granted_consent_in_its_period_allows_activation(
    state: ConsentState | None,
) -> None:
    validity = Validity(MOMENT, MOMENT + DAY)
    assert allows_activation(state, validity, MOMENT) == (state is ConsentState.GRANTED)
    assert not allows_activation(state, validity, MOMENT + DAY)
