"""Whether a platform's version of the EU-MP contract goes with the marketplace's.

What is promised is in docs/contracts.md: a major version is spoken with itself only; of its minor
versions, those from the one before the marketplace's on.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from marketplace.core.contract_version import ContractVersion
from mpp_sdk.web.contract import Contract

CONTRACT = "eu-mp"
ASK_EVERY = timedelta(days=1)
"""How often a platform is asked which version it speaks."""
LONGEST_VERSION = 30
"""How much is kept of what a platform says that its version is, in characters."""


@dataclass(frozen=True)
class Spoken:
    """What there is to say of a platform's version.

    accepted is False where nothing is promised; advice is there when something should be done,
    also of a version that is accepted.
    """

    accepted: bool
    detail: str
    advice: str | None = None


@cache
def own_version() -> ContractVersion:
    """Return the version that the marketplace itself speaks."""
    version = ContractVersion.parse(Contract.load("eu_mp").version)
    if version is None:
        raise RuntimeError("The EU-MP contract's own version is none")
    return version


def judge(said: str, own: ContractVersion) -> Spoken:
    """Return what follows from the version that a platform says it speaks."""
    said = said[:LONGEST_VERSION]
    version = ContractVersion.parse(said)
    serves = f"The platform serves {CONTRACT} {said}."
    if version is None:
        return Spoken(
            accepted=True,
            detail=serves,
            advice=f"Answer the contractVersion as it is written in info.version: {own}.",
        )
    if version.major != own.major:
        return Spoken(
            accepted=False,
            detail=f"{serves} The marketplace speaks {own}, another major version.",
            advice=f"Serve version {own.series} of the contract at this address.",
        )
    if version.minor < own.minor - 1:
        return Spoken(
            accepted=True,
            detail=f"{serves} The marketplace speaks {own}, and is tried with those from"
            f" {own.major}.{own.minor - 1} on.",
            advice=f"Bring the platform up to version {own.series} soon. What came after"
            f" {version.series} is not sent to it.",
        )
    if version.minor < own.minor:
        return Spoken(
            accepted=True,
            detail=f"{serves} What came with {own.series} is not sent to it.",
        )
    return Spoken(accepted=True, detail=serves)
