"""What must be true of the two stores once the data has flowed."""

from collections.abc import Sequence

from examples.demo.report import Check
from mpp_sdk.metering.store import MeteringStore


def check_data(
    ours: MeteringStore,
    theirs: MeteringStore,
    *,
    with_consent: Sequence[str],
    without: Sequence[str],
) -> list[Check]:
    """Return whether our store holds theirs of the points of delivery with consent, and no more."""
    equal = [pod for pod in with_consent if ours.digest(pod) == theirs.digest(pod)]
    readings = sum(ours.count(pod) for pod in with_consent)
    others = [
        pod.mrid for pod in ours.pods() if pod.mrid not in with_consent and ours.count(pod.mrid)
    ]
    return [
        Check(
            "The aggregator's store holds exactly the operator's readings, for every point of"
            " delivery with consent.",
            len(equal) == len(with_consent) and all(ours.count(pod) for pod in with_consent),
            f"{len(equal)} of {len(with_consent)} digests are equal; {readings:,} readings.",
        ),
        Check(
            "It holds none of the others.",
            not others and all(theirs.count(pod) for pod in without),
            f"The operator has readings of {' and '.join(without)}, which must not be here.",
        ),
    ]
