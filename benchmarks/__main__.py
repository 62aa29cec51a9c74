"""`python -m benchmarks [NAME...] [--quick]`: run those that are named, or all of them."""

import argparse
import os
import signal
from collections.abc import Callable
from types import FrameType

from benchmarks import (
    acceptance,
    clients,
    delivery,
    figures,
    install,
    metering,
    outbox,
    serving,
    website,
)
from benchmarks.flexoffers import algebra, dependencies, interface, stream

Run = Callable[[bool], None]
"""Measures and prints; takes whether only a short version is wanted."""

BENCHMARKS: dict[str, Run] = {
    "acceptance": acceptance.run,
    "claims": outbox.claims,
    "clients": clients.run,
    "delivery": delivery.throughput,
    "figures": lambda quick: figures.run(quick=quick),
    "flexoffer-algebra": algebra.run,
    "flexoffer-dependencies": dependencies.run,
    "flexoffer-interface": interface.run,
    "flexoffer-stream": stream.run,
    "growth": delivery.growth,
    "install": install.run,
    "isolation": delivery.isolation,
    "latency": delivery.latency,
    "memory": outbox.memory,
    "metering": lambda quick: metering.run(),
    "outbox": lambda quick: outbox.run(),
    "serving": serving.run,
    "website": website.run,
}


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="a short version, less exact")
    asked = parser.parse_args()
    for unknown in (name for name in asked.names if name not in BENCHMARKS):
        parser.error(f"there is no {unknown}; there are {', '.join(BENCHMARKS)}")
    signal.signal(signal.SIGTERM, _end)
    for name in asked.names or BENCHMARKS:
        print(f"# {name}, load average {_load()}")
        BENCHMARKS[name](asked.quick)
        print(f"# {name} ended, load average {_load()}\n")


def _load() -> str:
    """Return how many processes want to run, over 1, 5 and 15 minutes, and the processors."""
    return f"{', '.join(f'{one:.1f}' for one in os.getloadavg())} on {os.cpu_count()} processors"


def _end(number: int, frame: FrameType | None) -> None:
    """End at once, but not before databases, virtual hosts and processes are cleared away."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
