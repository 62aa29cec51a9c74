import tracemalloc
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import TooManyCalls
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.web.contract import Contract, Operation
from mpp_sdk.web.limits import CAPACITY, NO_LIMITS, CallLimits, Meter, Proxies, Rate, Rates

from . import probe

FEW = Rate(3, 6)
CONTRACT = Contract.from_document("probe", probe.document())
KEYED = CONTRACT.by_id["items.list_items"]
OPEN = CONTRACT.by_id["access.issue_token"]


def taken(meter: Meter, key: str, now: float, most: int = 1000) -> int:
    """Return how many calls in a row are taken at a moment."""
    for number in range(most):
        try:
            meter.take(key, now)
        except TooManyCalls:
            return number
    return most


def test_so_many_are_taken_at_once_and_given_back_evenly() -> None:
    meter = Meter("few", FEW)
    assert taken(meter, "a", 100.0) == 3
    assert taken(meter, "a", 101.9) == 0
    assert taken(meter, "a", 102.0) == 1
    assert taken(meter, "a", 102.0) == 0
    assert taken(meter, "a", 106.0) == 2
    assert taken(meter, "a", 1000.0) == 3


def test_the_refusal_says_when_the_next_call_is_taken() -> None:
    meter = Meter("few", FEW)
    taken(meter, "a", 100.0)
    with pytest.raises(TooManyCalls) as refused:
        meter.take("a", 100.5)
    assert (refused.value.limit, refused.value.calls, refused.value.seconds) == ("few", 3, 6)
    assert refused.value.retry_after == pytest.approx(1.5)
    meter.take("a", 100.5 + refused.value.retry_after)


def test_keys_do_not_share() -> None:
    meter = Meter("few", FEW)
    assert taken(meter, "a", 100.0) == 3
    assert taken(meter, "b", 100.0) == 3


def test_a_look_counts_nothing() -> None:
    meter = Meter("few", FEW)
    for _ in range(10):
        meter.check("a", 100.0)
    assert len(meter) == 0
    assert taken(meter, "a", 100.0) == 3
    with pytest.raises(TooManyCalls):
        meter.check("a", 100.0)


@given(st.lists(st.floats(0, 20), max_size=60))
def test_no_stretch_of_time_sees_more_than_the_rate_and_one_burst(gaps: list[float]) -> None:
    meter = Meter("few", FEW)
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        try:
            meter.take("a", now)
        except TooManyCalls:
            continue
        times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            most = FEW.calls + (times[last] - start) / (FEW.seconds / FEW.calls)
            assert last - first + 1 <= most + 1e-6


def test_a_million_addresses_take_bounded_memory_and_the_busy_one_is_not_forgotten() -> None:
    meter = Meter("few", Rate(3, 6000))
    taken(meter, "busy", 0.0)
    tracemalloc.start()
    for number in range(1_000_000):
        meter.take(f"10.{number}", 0.0)
        if number % 50_000 == 0:  # a refused call is no reason to be forgotten, nor to be kept
            assert taken(meter, "busy", number * 0.04) <= 1
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(meter) == CAPACITY
    assert grown < 24_000_000


def test_none_of_the_limits_of_zero_is_there() -> None:
    settings = PlatformSettings(
        rate_limit_address=0,
        rate_limit_credential=0,
        rate_limit_anonymous=0,
        rate_limit_failures=0,
    )
    for limits in (CallLimits.of(settings), NO_LIMITS):
        for _ in range(1000):
            address = limits.enter(OPEN, "192.0.2.1", {})
            limits.before_check(address, "wrong")
            limits.failed(address, "wrong")
            limits.succeeded("one", "right")


def entered(
    limits: CallLimits, operation: Operation, peer: str, headers: dict[str, str] | None = None
) -> int:
    for number in range(100):
        try:
            limits.enter(operation, peer, headers or {})
        except TooManyCalls:
            return number
    return 100


def test_an_address_is_limited_whatever_it_calls() -> None:
    limits = CallLimits(Rates(address=FEW))
    assert entered(limits, KEYED, "192.0.2.1") == 3
    assert entered(limits, OPEN, "192.0.2.1") == 0
    assert entered(limits, KEYED, "192.0.2.2") == 3


def test_what_anybody_may_call_is_limited_by_itself() -> None:
    limits = CallLimits(Rates(anonymous=FEW))
    assert entered(limits, OPEN, "192.0.2.1") == 3
    assert entered(limits, KEYED, "192.0.2.1") == 100


def test_guesses_are_limited_and_neighbours_are_not_locked_out() -> None:
    limits = CallLimits(Rates(failures=FEW))
    limits.succeeded("one", "right")
    for guess in ("a", "b", "c"):
        limits.before_check("192.0.2.1", guess)
        limits.failed("192.0.2.1", guess)
    with pytest.raises(TooManyCalls):
        limits.before_check("192.0.2.1", "d")
    limits.before_check("192.0.2.1", "right")
    limits.before_check("192.0.2.2", "d")


def test_a_credential_that_is_not_good_any_more_is_a_guess_again() -> None:
    limits = CallLimits(Rates(failures=FEW))
    limits.succeeded("one", "right")
    for _ in range(4):
        limits.failed("192.0.2.1", "right")
    with pytest.raises(TooManyCalls):
        limits.before_check("192.0.2.1", "right")


def test_credentials_that_were_good_are_remembered_without_keeping_them() -> None:
    limits = CallLimits(Rates(failures=FEW))
    for number in range(CAPACITY + 10):
        limits.succeeded("one", f"a-key-that-nobody-may-find-{number}")
    assert len(limits._good) == CAPACITY
    assert "a-key-that-nobody-may-find" not in repr(vars(limits))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_ipv6_network_of_64_bits_is_one_address(first: str, second: str, same: bool) -> None:
    proxies = Proxies(())
    assert (proxies.client(first, {}) == proxies.client(second, {})) == same


TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),  # no proxy of ours: not believed
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),  # what a client says of itself
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),  # two proxies
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8:1:2::5]:4711", "2001:db8:1:2::/64"),
        ("10.0.0.1", "2001:db8:1:2::5", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8:ffff::1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", ",,,", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1," * 10_000 + "203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_nearest_hop_that_is_not_a_trusted_proxy_counts(
    peer: str, forwarded: str, client: str
) -> None:
    assert Proxies(TRUSTED).client(peer, {"x-forwarded-for": forwarded}) == client


def test_nobody_is_believed_unless_a_proxy_is_named() -> None:
    limits = CallLimits(Rates(address=FEW))
    peers = [entered(limits, KEYED, "10.0.0.1", {"x-forwarded-for": f"1.1.1.{n}"}) for n in "12"]
    assert peers == [3, 0]


def test_proxies_are_named_by_addresses_and_networks() -> None:
    settings = PlatformSettings.model_validate({"trusted_proxies": "10.0.0.0/8, 192.0.2.7"})
    assert [str(network) for network in settings.trusted_proxies] == ["10.0.0.0/8", "192.0.2.7/32"]


def test_a_call_without_an_address_counts_as_unknown() -> None:
    limits = CallLimits(Rates(address=FEW))
    assert limits.enter(KEYED, None, {}) == limits.enter(KEYED, "a-socket", {})
