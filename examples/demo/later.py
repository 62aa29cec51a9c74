"""`python -m examples.demo.later SECONDS MODULE ...`: run a module with its clock set on."""

import runpy
import sys
from datetime import datetime, timedelta, tzinfo
from typing import Self

from mpp_sdk import clock


def set_on(by: timedelta) -> None:
    """Let the one source of the present moment be ahead, from now on and in all of the process."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            moment = datetime.now(tz) + by
            return cls.combine(moment.date(), moment.timetz())

    clock.datetime = Later  # type: ignore[attr-defined, unused-ignore]


if __name__ == "__main__":
    _, seconds, module, *sys.argv[1:] = sys.argv
    set_on(timedelta(seconds=float(seconds)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
