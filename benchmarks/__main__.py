"""`python -m benchmarks`: run them all. They take a minute or two."""

from benchmarks import metering, outbox

if __name__ == "__main__":
    metering.run()
    print()
    outbox.run()
