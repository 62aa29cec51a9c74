"""The product's clock, which the harness can move. Imported before anything that reads it."""

from datetime import UTC, datetime, timedelta

from mpp_sdk import clock
from tests.chaos.control import Control, Slot

_control: Control | None = None


def _shifted() -> datetime:
    shift = _control.get(Slot.CLOCK_SHIFT_S) if _control is not None else 0
    return datetime.now(UTC) + timedelta(seconds=shift)


def follow(control: Control) -> None:
    """Take the clock's shift from there."""
    global _control
    _control = control


clock.now = _shifted
