"""The steps of a process at which it can be made to end. The product knows nothing of them."""

import os

from tests.chaos.control import Control, Slot, Step

_control: Control | None = None


def follow(control: Control) -> None:
    """Take orders from there."""
    global _control
    _control = control


def at(step: Step) -> None:
    """Say that the process is at a step; when it is ordered to end there, this is the end."""
    if _control is not None and _control.is_due(step):
        os.kill(os.getpid(), _control.get(Slot.SIGNAL))
