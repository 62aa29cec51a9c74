"""A clock that is set on is ahead wherever the SDK asks for the present moment."""

from datetime import UTC, datetime, timedelta

import pytest

from examples.demo.later import Ahead
from mpp_sdk import clock
from mpp_sdk.clock import now


def test_every_reader_of_the_clock_is_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(clock), "datetime", Ahead(timedelta(days=2)))
    before = datetime.now(UTC) + timedelta(days=2)
    told = [clock.now(), now()]
    assert all(type(moment) is datetime and moment.tzinfo is UTC for moment in told)
    assert before <= told[0] <= told[1] <= datetime.now(UTC) + timedelta(days=2)
