"""Which addresses may be called, and how a URL's host becomes some that are checked.

A platform's address is data that a stranger typed in. Its name is resolved by ourselves, refused
when any of its addresses is not a public one, and what is dialled is an address that was checked:
so a name that resolves differently a moment later (DNS rebinding) gains nothing.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from mpp_sdk.errors import InvalidInput

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Resolver = Callable[[str, int], Sequence[str]]
"""Gives the addresses of a name, as text; raises OSError when it has none."""

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers' customers (CGNAT)
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds keep their metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "64:ff9b::/96",  # NAT64: reaches any IPv4 address
        "64:ff9b:1::/48",
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: wraps any IPv4 address
        "3fff::/20",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
    )
)
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)  # begins an interface's id that wraps an IPv4 address
_URL = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*", re.ASCII)
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?", re.ASCII | re.IGNORECASE)
_LONGEST_HOST = 253
_WEB_PORTS = (80, 443)
_SERVICE_PORTS = frozenset(
    {
        *(1080, 1099, 1433, 1521, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3128, 3306, 3389),
        *(4369, 5060, 5061, 5432, 5671, 5672, 5900, 5984, 5985, 5986, 6000, 6379, 6443, 6566),
        *(6660, 6661, 6662, 6663, 6664, 6665, 6666, 6667, 6668, 6669, 6697, 7000, 7001, 8500),
        *(9042, 9092, 9160, 9200, 9300, 10250, 10255, 11211, 15672, 25672, 27017, 27018, 50000),
    }
)
"""Where databases, brokers, caches, orchestrators and chats listen, and no platform does."""
_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)

RESOLVE_SECONDS = 5.0


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be called.

    allow_private admits loopback, private, link-local and translated addresses; multicast,
    unspecified and reserved ones are never admitted. allow_http admits calls without TLS.

    Without allow_private, ports are those at which one may expect a platform: 80, 443, and those
    from 1024 on at which no well-known service of another kind listens.
    """

    allow_private: bool = False
    allow_http: bool = False

    def admits(self, address: IpAddress) -> bool:
        """Return whether an address may be dialled."""
        canonical = _canonical(address)
        if any(canonical in network for network in _NEVER):
            return False
        if any(canonical in network for network in _PRIVATE):
            return self.allow_private
        if isinstance(canonical, ipaddress.IPv4Address):
            return True
        if int(canonical) >> 32 & 0xFFFFFFFF in _ISATAP:
            return self.allow_private
        return canonical in _GLOBAL_UNICAST

    def admits_port(self, port: int) -> bool:
        """Return whether a port may be dialled."""
        if self.allow_private:
            return True
        return port in _WEB_PORTS or (port >= 1024 and port not in _SERVICE_PORTS)


class Broken(Exception):
    """A URL breaks a rule."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def resolve_name(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a host name, as the system resolves it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_url(
    url: str,
    policy: AddressPolicy,
    *,
    pointer: str = "/baseUrl",
    resolve: Resolver = resolve_name,
) -> None:
    """Check that a base URL is one that the guarded client would call now.

    Raises InvalidInput that names the broken rule: `uri`, `https`, `userinfo`, `host`, `port`,
    `noQuery`, `resolvable` or `publicAddress`. The name is resolved, and checked again whenever
    it is dialled.
    """
    try:
        parsed = parse(url, policy)
        if parsed.query is not None:
            raise Broken("noQuery", "The URL must have no query.")
        checked_addresses(
            parsed.host or "", port_of(parsed), policy, resolve, time.monotonic() + RESOLVE_SECONDS
        )
    except Broken as broken:
        raise InvalidInput.field(pointer, broken.rule, broken.detail) from broken


def same_origin(first: str, second: str) -> bool:
    """Return whether two URLs name the same server: scheme, host and port."""
    one, other = parse_url(first), parse_url(second)
    return (one.scheme, one.host, port_of(one)) == (other.scheme, other.host, port_of(other))


def _canonical(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv6 one merely spells differently, else the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _IPV4_COMPATIBLE and int(address) > 1:  # not :: and ::1
        return ipaddress.IPv4Address(int(address))
    return address


def parse(url: str, policy: AddressPolicy) -> Url:
    """Return the parts of a URL that this policy lets be called, as far as they can be told."""
    # What RFC 3986 has no place for, two readers may read as two different hosts.
    if not _URL.fullmatch(url):
        raise Broken("uri", "The URL must have no character that a URL does not have.")
    try:
        parsed = parse_url(url)
    except LocationParseError as error:
        raise Broken("uri", "This is not a URL.") from error
    if parsed.scheme not in (("https", "http") if policy.allow_http else ("https",)):
        raise Broken("https", "The URL must begin with https://.")
    if parsed.fragment is not None:
        raise Broken("noQuery", "The URL must have no fragment.")
    if parsed.auth is not None:
        raise Broken("userinfo", "The URL must hold no user name or password.")
    if not parsed.host:
        raise Broken("host", "The URL must name a host.")
    if parsed.port is not None and not 1 <= parsed.port <= 65_535:
        raise Broken("port", "The port must be between 1 and 65535.")
    if parsed.host.startswith("["):
        if "%" in parsed.host:
            raise Broken("publicAddress", f"{parsed.host} has a zone: it is not a public address.")
        _parsed(parsed.host.strip("[]"))
    elif len(parsed.host) > _LONGEST_HOST or not _HOST.fullmatch(parsed.host) or _is_encoded(url):
        raise Broken("host", "The URL must name a host by its name in DNS or by its address.")
    if not policy.admits_port(port_of(parsed)):
        raise Broken("port", f"A platform is not called at port {port_of(parsed)}.")
    return parsed


def _is_encoded(url: str) -> bool:
    """Return whether the host of a URL is percent-encoded, which one reader decodes and one not."""
    return "%" in url.partition("//")[2].partition("/")[0].partition("?")[0]


def port_of(parsed: Url) -> int:
    """Return the port that a URL names, or that of its scheme."""
    return parsed.port or (443 if parsed.scheme == "https" else 80)


def checked_addresses(
    host: str, port: int, policy: AddressPolicy, resolve: Resolver, deadline: float
) -> Sequence[str]:
    """Return the addresses of a host, all of them admitted, none with a zone."""
    bare = host.strip("[]").removesuffix(".")
    literal = literal_address(bare)
    found = [literal] if literal else _resolve_in_time(bare, port, resolve, deadline)
    return admitted(bare, found, policy)


def admitted(bare: str, addresses: Sequence[str], policy: AddressPolicy) -> Sequence[str]:
    """Return the addresses of a host if there are some, all of them admitted, none with a zone."""
    if not addresses:
        raise Broken("resolvable", f"The host name {bare} has no address.")
    for address in addresses:
        if "%" in address or not policy.admits(_parsed(address)):
            raise Broken("publicAddress", f"{bare} is not at a public address.")
    return addresses


def _parsed(address: str) -> IpAddress:
    try:
        return ipaddress.ip_address(address)
    except ValueError as error:
        raise Broken("host", f"{address} is not an address.") from error


def literal_address(host: str) -> str | None:
    """Return the address that a host spells out, in any form that a resolver takes, or None."""
    if ":" in host:
        return host
    if not _NUMERIC_LABEL.fullmatch(host.rsplit(".", 1)[-1]):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))  # decimal, octal, hex and short forms
    except (OSError, UnicodeError) as error:
        raise Broken("host", f"{host} is not an IPv4 address.") from error


def _resolve_in_time(host: str, port: int, resolve: Resolver, deadline: float) -> Sequence[str]:
    """Return what the resolver gives before the deadline; the system's own has no time limit."""
    found: list[Sequence[str]] = []
    failed: list[Exception] = []

    def look_up() -> None:
        try:
            found.append(resolve(host, port))
        except (OSError, UnicodeError) as error:
            failed.append(error)

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    if found:
        return found[0]
    why = "cannot be resolved" if failed else "was not resolved in time"
    raise Broken("resolvable", f"The host name {host} {why}.")
