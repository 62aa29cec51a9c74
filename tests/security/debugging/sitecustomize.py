"""Put on the path of a process, this has it write down everything that anything logs."""

import logging

_LEVEL = logging.DEBUG
_set_level = logging.Logger.setLevel


def _to_debug(self: logging.Logger, _: int | str) -> None:
    _set_level(self, _LEVEL)


setattr(logging.Logger, "setLevel", _to_debug)  # noqa: B010 - mypy takes no method for another
logging.getLogger().setLevel(_LEVEL)
