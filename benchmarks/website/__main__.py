"""`python -m benchmarks.website [--full]`: what each page of the website costs."""

import argparse

from benchmarks.seeding import FULL
from benchmarks.website import compare, look_at


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.website", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full market, for ten minutes")
    parser.add_argument("--part", type=int, default=10, help="else one row in so many; 10")
    parser.add_argument("--backend", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--times", type=int, default=20, help="how often each page is called; 20")
    parser.add_argument("--queries", action="store_true", help="print the slowest queries, too")
    parser.add_argument("--database", metavar="URL", help="a market that is there, as it is")
    asked = parser.parse_args()
    if asked.database:
        look_at(asked.database, asked.times)
        return
    scale = FULL if asked.full else FULL.part(asked.part)
    compare(scale, asked.backend, asked.times, with_queries=asked.queries)


if __name__ == "__main__":
    main()
