"""The rules of market players, their keys and their EIC codes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from marketplace.core.lifecycle import Lifecycle

_EIC_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
_EIC_LENGTH = 16


class MarketPlayerRole(StrEnum):
    """The role of a company in the energy market; it may hold several."""

    DSO = "DSO"
    TSO = "TSO"
    AGGREGATOR = "AGGREGATOR"
    RETAILER = "RETAILER"
    BRP = "BRP"
    METERED_DATA_OPERATOR = "METERED_DATA_OPERATOR"
    ESCO = "ESCO"


class AccessRole(StrEnum):
    """What a credential may do."""

    OPERATOR = "operator"
    PROVIDER = "provider"
    REQUESTER = "requester"


COMPANY_ROLES = frozenset({AccessRole.PROVIDER, AccessRole.REQUESTER})
"""What a company's credential may carry."""


class CredentialKind(StrEnum):
    """The kind of a credential."""

    API_KEY = "API_KEY"
    OAUTH2_CLIENT = "OAUTH2_CLIENT"


class MarketPlayerState(StrEnum):
    """The state of a market player."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEREGISTERED = "DEREGISTERED"


MARKET_PLAYER = Lifecycle(
    "MarketPlayer",
    {
        MarketPlayerState.PENDING: {
            "edit": MarketPlayerState.PENDING,
            "activate": MarketPlayerState.ACTIVE,
            "deregister": MarketPlayerState.DEREGISTERED,
        },
        MarketPlayerState.ACTIVE: {
            "edit": MarketPlayerState.ACTIVE,
            "suspend": MarketPlayerState.SUSPENDED,
            "deregister": MarketPlayerState.DEREGISTERED,
        },
        MarketPlayerState.SUSPENDED: {
            "edit": MarketPlayerState.SUSPENDED,
            "reinstate": MarketPlayerState.ACTIVE,
            "deregister": MarketPlayerState.DEREGISTERED,
        },
        MarketPlayerState.DEREGISTERED: {},
    },
)
"""An operator activates, suspends, reinstates and deregisters. An application that is turned down
is deregistered too, with the reason."""


def is_eic_code(code: str) -> bool:
    """Return whether a text is an EIC code with its right check character (ENTSO-E, EIC manual)."""
    if len(code) != _EIC_LENGTH or any(letter not in _EIC_ALPHABET for letter in code):
        return False
    return code[-1] != "-" and code[-1] == eic_check_character(code[:-1])


def eic_check_character(body: str) -> str:
    """Return the check character of the fifteen characters before it."""
    weights = range(_EIC_LENGTH, 1, -1)
    total = sum(w * _EIC_ALPHABET.index(letter) for w, letter in zip(weights, body, strict=True))
    return _EIC_ALPHABET[36 - (total - 1) % 37]


@dataclass(frozen=True)
class KeyPolicy:
    """How long API keys live.

    A key is valid for `validity`. When another is issued for the same credential, it stays valid
    for `overlap` more, or for `grace` after the first use of the other, whichever ends first.
    """

    validity: timedelta
    overlap: timedelta
    grace: timedelta


@dataclass(frozen=True)
class KeyLife:
    """The life of one API key. It is valid from valid_from until before ends_at.

    superseded says that a newer key of the same credential has been used.
    """

    valid_from: datetime
    ends_at: datetime
    first_used_at: datetime | None = None
    superseded: bool = False

    def is_valid(self, moment: datetime) -> bool:
        """Return whether the key opens anything at a moment."""
        return self.valid_from <= moment < self.ends_at


def issue(policy: KeyPolicy, moment: datetime) -> KeyLife:
    """Return the life of a key that is issued now."""
    return KeyLife(moment, moment + policy.validity)


def after_issue(
    older: KeyLife, expires_at: datetime, policy: KeyPolicy, moment: datetime
) -> KeyLife:
    """Return the life of an older key once another is issued.

    Its overlap begins anew each time: who lost the answers until now still has the older key only.
    It never outlives its own expires_at, and a key whose successor is in use gains nothing.
    """
    if older.superseded:
        return older
    return replace(older, ends_at=min(expires_at, moment + policy.overlap))


def after_use(older: KeyLife, policy: KeyPolicy, moment: datetime) -> KeyLife:
    """Return the life of an older key once a newer one is used for the first time."""
    return replace(older, ends_at=min(older.ends_at, moment + policy.grace), superseded=True)
