"""How many calls a server takes: from one address, by one credential, and of guesses at secrets.

Each limit is a number of calls that may come at once, given back evenly over a time (the generic
cell rate algorithm: one number for each caller, no windows, no timers). Everything is counted in
this process only: several processes each grant the whole limit. What may be counted is bounded,
whatever strangers do; when it is full, whoever has been quiet for longest is forgotten.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Protocol

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from mpp_sdk.errors import TooManyCalls
from mpp_sdk.web.contract import Operation

Network = IPv4Network | IPv6Network

CAPACITY = 65_536
"""How many callers one limit remembers at most."""

_UNKNOWN = "unknown"
_BURST_SECONDS = 10
_FORWARDED_FOR = "x-forwarded-for"
_MOST_HOPS = 32


@dataclass(frozen=True)
class Rate:
    """So many calls at once, given back evenly over so many seconds."""

    calls: int
    seconds: int


@dataclass(frozen=True)
class Rates:
    """The limits of a server; where there is None, there is no limit.

    address: every call from one address. credential: every call by one credential. anonymous: calls
    from one address to one operation that needs no credential. failures: credentials from one
    address that were not good.
    """

    address: Rate | None = None
    credential: Rate | None = None
    anonymous: Rate | None = None
    failures: Rate | None = None


AddressRate = Annotated[
    int,
    Field(
        ge=0,
        description="How many calls a second one address may make, ten seconds' worth of them at "
        "once; an IPv6 network of 64 bits counts as one address. 0: no limit. Each process counts "
        "for itself.",
    ),
]
CredentialRate = Annotated[
    int,
    Field(
        ge=0,
        description="How many calls a second one credential may make, ten seconds' worth of them "
        "at once. 0: no limit. Each process counts for itself.",
    ),
]
AnonymousRate = Annotated[
    int,
    Field(
        ge=0,
        description="How many calls a minute one address may make to each operation that needs no "
        "credential, such as signing up and asking for a token. 0: no limit.",
    ),
]
FailureRate = Annotated[
    int,
    Field(
        ge=0,
        description="How many credentials a minute that are not good one address may present; "
        "beyond that, only those that were good lately are looked at. 0: no limit.",
    ),
]


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


TrustedProxies = Annotated[
    tuple[Network, ...],
    NoDecode,
    BeforeValidator(_split),
    Field(
        description="The addresses or networks of the proxies in front, separated by commas. Only "
        "what they say in `X-Forwarded-For` is believed. Empty: nobody is.",
    ),
]


class LimitSettings(Protocol):
    """The settings of a server's limits, the same for the marketplace and for every platform."""

    @property
    def rate_limit_address(self) -> int:
        """Calls a second from one address."""

    @property
    def rate_limit_credential(self) -> int:
        """Calls a second by one credential."""

    @property
    def rate_limit_anonymous(self) -> int:
        """Calls a minute from one address to one operation that needs no credential."""

    @property
    def rate_limit_failures(self) -> int:
        """Credentials a minute from one address that are not good."""

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """The proxies in front."""


class Meter:
    """Counts the calls of each key against one rate."""

    def __init__(self, name: str, rate: Rate, capacity: int = CAPACITY) -> None:
        self._name = name
        self._rate = rate
        self._interval = rate.seconds / rate.calls
        self._leeway = rate.seconds - self._interval
        self._capacity = capacity
        # For each key, when everything that it has taken is given back.
        self._settled: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._settled)

    def take(self, key: str, now: float) -> None:
        """Count a call. Raises TooManyCalls, and counts nothing, when it is one too many."""
        settled = self._settled.get(key, now)
        if settled <= now:
            settled = now
        elif settled - now > self._leeway:
            raise self._refusal(settled, now)
        self._settled[key] = settled + self._interval
        self._settled.move_to_end(key)
        if len(self._settled) > self._capacity:
            self._settled.popitem(last=False)

    def check(self, key: str, now: float) -> None:
        """Raise TooManyCalls when one more would be one too many; count nothing."""
        settled = self._settled.get(key, now)
        if settled - now > self._leeway:
            raise self._refusal(settled, now)

    def _refusal(self, settled: float, now: float) -> TooManyCalls:
        return TooManyCalls(
            self._name, self._rate.calls, self._rate.seconds, settled - now - self._leeway
        )


class CallLimits:
    """The limits of one server, asked for each call of an operation before anything is done."""

    def __init__(self, rates: Rates, trusted_proxies: tuple[Network, ...] = ()) -> None:
        self._address = _meter("address", rates.address)
        self._credential = _meter("credential", rates.credential)
        self._anonymous = _meter("anonymous", rates.anonymous)
        self._failures = _meter("failures", rates.failures)
        self._proxies = Proxies(trusted_proxies)
        self._good: OrderedDict[bytes, None] = OrderedDict()

    @classmethod
    def of(cls, settings: LimitSettings) -> "CallLimits":
        """Return the limits that are set, with nothing counted yet."""
        rates = Rates(
            address=_per(settings.rate_limit_address * _BURST_SECONDS, _BURST_SECONDS),
            credential=_per(settings.rate_limit_credential * _BURST_SECONDS, _BURST_SECONDS),
            anonymous=_per(settings.rate_limit_anonymous, 60),
            failures=_per(settings.rate_limit_failures, 60),
        )
        return cls(rates, settings.trusted_proxies)

    def enter(self, operation: Operation, peer: str | None, headers: Mapping[str, str]) -> str:
        """Count a call by the address that it comes from; return that address.

        Raises TooManyCalls.
        """
        address = self._proxies.client(peer, headers)
        if self._address is not None:
            self._address.take(address, time.monotonic())
        if self._anonymous is not None and not operation.security:
            self._anonymous.take(f"{address} {operation.operation_id}", time.monotonic())
        return address

    def visit(self, peer: str | None, headers: Mapping[str, str]) -> str:
        """Count what is no call of an operation; return its address. Raises TooManyCalls."""
        address = self._proxies.client(peer, headers)
        if self._address is not None:
            self._address.take(address, time.monotonic())
        return address

    def before_check(self, address: str, credential: str) -> None:
        """Let a credential be looked at.

        Raises TooManyCalls when too many from this address were not good, unless this one was good
        lately: neighbours behind one address do not lock each other out.
        """
        if self._failures is None:
            return
        try:
            self._failures.check(address, time.monotonic())
        except TooManyCalls:
            if _digest(credential) not in self._good:
                raise

    def failed(self, address: str, credential: str) -> None:
        """Count a credential that was not good."""
        if self._failures is None:
            return
        self._good.pop(_digest(credential), None)
        try:
            self._failures.take(address, time.monotonic())
        except TooManyCalls:
            return  # the next one is refused; this one is told why it is not good

    def succeeded(self, subject: str, credential: str) -> None:
        """Count a call by its credential. Raises TooManyCalls."""
        if self._failures is not None:
            digest = _digest(credential)
            self._good[digest] = None
            self._good.move_to_end(digest)
            if len(self._good) > CAPACITY:
                self._good.popitem(last=False)
        if self._credential is not None:
            self._credential.take(subject, time.monotonic())


class Proxies:
    """The proxies whose word on where a call comes from is believed."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks

    def client(self, peer: str | None, headers: Mapping[str, str]) -> str:
        """Return what stands for the address that a call comes from.

        It is the nearest hop that is not a trusted proxy; what that one says of others is hearsay.
        An IPv6 network of 64 bits, which one household has to itself, counts as one address.
        """
        if not self._networks or peer is None or not self._trusts(peer):
            return _network_of(peer or _UNKNOWN)
        nearest = peer
        for hop in _hops(headers.get(_FORWARDED_FOR, "")):
            if _network_of(hop) == _UNKNOWN:
                break
            nearest = hop
            if not self._trusts(hop):
                break
        return _network_of(nearest)

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _hops(header: str) -> Iterator[str]:
    """Return the addresses of a header, the nearest first, without ports."""
    for part in reversed(header.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
        hop = part.strip()
        if hop.startswith("["):
            hop = hop[1:].partition("]")[0]
        elif hop.count(":") == 1:
            hop = hop.partition(":")[0]
        yield hop


@lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    parsed = _parsed(address)
    if parsed is None:
        return _UNKNOWN
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


@lru_cache(maxsize=4096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _digest(credential: str) -> bytes:
    return hashlib.blake2b(credential.encode(), digest_size=16).digest()


def _meter(name: str, rate: Rate | None) -> Meter | None:
    return None if rate is None else Meter(name, rate)


def _per(calls: int, seconds: int) -> Rate | None:
    return Rate(calls, seconds) if calls else None


NO_LIMITS = CallLimits(Rates())
"""Takes every call."""
