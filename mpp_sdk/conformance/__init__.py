"""The conformance kit: tells whether a platform, in whatever language, keeps a contract.

It calls a running server as its callers will, and looks at the answers alone: nothing of the
platform's inside is asked for. `flexagora conformance` runs it; the marketplace's integration
set-up test runs the cases of it that change nothing.
"""

from mpp_sdk.conformance.model import Case, Finding, Outcome, Result, Verdict
from mpp_sdk.conformance.registry import cases_of
from mpp_sdk.conformance.runner import Run, run
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.conformance.target import Bounds, Credentials, Target

__all__ = [
    "Bounds",
    "Case",
    "Credentials",
    "Finding",
    "Outcome",
    "Result",
    "Run",
    "Subject",
    "Target",
    "Verdict",
    "cases_of",
    "run",
]
