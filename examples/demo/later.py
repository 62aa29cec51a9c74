"""`python -m examples.demo.later SECONDS MODULE ...`: run a module with its clock set on."""

import runpy
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from mpp_sdk import clock


@dataclass(frozen=True)
class Ahead:
    """Stands in for `datetime` where the present moment comes from."""

    by: timedelta

    def now(self, tz: tzinfo | None = None) -> datetime:
        """Return a moment that is ahead of the present one."""
        return datetime.now(tz) + self.by


if __name__ == "__main__":
    _, seconds, module, *rest = sys.argv
    sys.argv[1:] = rest
    vars(clock)["datetime"] = Ahead(timedelta(seconds=float(seconds)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
