"""No spelling of an inner address is called, by either client, nor taken at registration."""

from collections.abc import Iterator, Sequence

import pytest

from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.marketplace.models import MarketPlayerRole, PlatformDraft
from mpp_sdk.errors import InvalidInput
from mpp_sdk.transport import AddressRefused, ConnectionFailed, check_url
from tests.functional.marketplace import Marketplace
from tests.unit.mpp_sdk.test_transport import Server, plain, serving

from .clients import LOCAL, NO_PRIVATE, Caller, Calls, by_client, by_session
from .vectors import PUBLIC, VECTORS, Vector

BOTH = pytest.mark.parametrize("call", [by_session, by_client], ids=["threads", "loop"])
EVERY = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


@pytest.fixture(scope="module")
def inner() -> Iterator[Server]:
    """A server on the loopback address that nobody must reach."""
    with serving(plain(b"a secret")) as server:
        yield server


def filled(vector: Vector, server: Server) -> str:
    return vector.url.replace("{port}", str(server.port))


def test_there_are_enough_of_them() -> None:
    assert len({vector.url for vector in VECTORS}) == len(VECTORS) >= 200


@EVERY
def test_it_is_refused_when_it_is_registered(vector: Vector, inner: Server) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_url(filled(vector, inner), NO_PRIVATE)
    (error,) = refused.value.errors
    assert error.pointer == "/baseUrl"
    assert error.rule in vector.rules


@BOTH
def test_none_is_called(call: Caller, inner: Server) -> None:
    before = inner.connections
    outcomes = call(Calls(NO_PRIVATE), [filled(vector, inner) for vector in VECTORS])
    for vector, outcome in zip(VECTORS, outcomes, strict=True):
        refused = isinstance(outcome, AddressRefused)
        unknown = isinstance(outcome, ConnectionFailed) and "resolvable" in vector.rules
        assert refused or unknown, f"{vector.name}: {outcome!r}"
    assert inner.connections == before


@pytest.mark.parametrize("url", PUBLIC)
def test_a_public_address_is_admitted(url: str) -> None:
    check_url(url, NO_PRIVATE)


def test_no_vector_is_taken_over_the_api(on_sqlite: Marketplace, inner: Server) -> None:
    on_sqlite.start(FLEXAGORA_ALLOW_PRIVATE_ADDRESSES="false", FLEXAGORA_RATE_LIMIT_CREDENTIAL="0")
    company = on_sqlite.company("Ponent Energia", MarketPlayerRole.RETAILER)
    before = inner.connections
    for vector in VECTORS:
        draft = PlatformDraft(base_url=filled(vector, inner), api_key="a-key-that-is-long-enough")
        with pytest.raises(ProblemError) as refused:
            company.client.set_platform(company.player_id, draft)
        assert refused.value.status == 400, vector.name
        errors = refused.value.problem.errors or []
        assert {error.pointer for error in errors} == {"/baseUrl"}, vector.name
        # The contract has a word in it first: what is no URI at all, or is too long, breaks that.
        assert {error.rule for error in errors} <= vector.rules | {
            "format",
            "maxLength",
            "characters",
        }
    assert inner.connections == before


class Names:
    """A resolver whose answers the test decides: one after the other, the last for good."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


NAMES: dict[str, Sequence[str]] = {
    "private": ["127.0.0.1"],
    "public and private": ["8.8.8.8", "127.0.0.1"],
    "private and public": ["127.0.0.1", "8.8.8.8"],
    "many and one private": [*[f"8.8.8.{n}" for n in range(1, 50)], "10.0.0.1"],
    "public and mapped": ["8.8.8.8", "::ffff:127.0.0.1"],
    "public and unique local": ["2606:4700::1", "fd00::1"],
    "an alias of something inside": ["172.16.0.9"],
    "metadata": ["169.254.169.254"],
    "with a zone": ["fe80::1%lo"],
    "public with a zone": ["2606:4700::1%lo"],
    "unspecified": ["0.0.0.0"],
    "nat64": ["64:ff9b::7f00:1"],
    "isatap": ["2606:4700::5efe:7f00:1"],
}


@BOTH
@pytest.mark.parametrize("answer", NAMES.values(), ids=NAMES)
def test_a_name_with_any_inner_address_is_not_called(
    call: Caller, answer: Sequence[str], inner: Server
) -> None:
    before = inner.connections
    url = f"http://platform.example:{inner.port}/"
    with pytest.raises(InvalidInput) as refused:
        check_url(url, NO_PRIVATE, resolve=Names(answer))
    assert refused.value.errors[0].rule == "publicAddress"
    (outcome,) = call(Calls(NO_PRIVATE, options={"resolve": Names(answer)}), [url])
    assert isinstance(outcome, AddressRefused), repr(outcome)
    assert inner.connections == before


@BOTH
def test_a_name_without_an_address_is_not_called(call: Caller) -> None:
    calls = Calls(NO_PRIVATE, options={"resolve": Names([])})
    (outcome,) = call(calls, ["http://platform.example/"])
    assert isinstance(outcome, ConnectionFailed), repr(outcome)


@BOTH
def test_a_resolver_that_answers_nonsense_is_a_failed_call(call: Caller) -> None:
    calls = Calls(NO_PRIVATE, options={"resolve": Names(["not-an-address"])})
    (outcome,) = call(calls, ["http://platform.example/"])
    assert isinstance(outcome, AddressRefused | ConnectionFailed), repr(outcome)


@BOTH
def test_a_name_that_changes_between_check_and_call_is_checked_again(
    call: Caller, inner: Server
) -> None:
    before = inner.connections
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    url = f"http://platform.example:{inner.port}/"
    check_url(url, NO_PRIVATE, resolve=names)
    (outcome,) = call(Calls(NO_PRIVATE, options={"resolve": names}), [url])
    assert isinstance(outcome, AddressRefused), repr(outcome)
    assert inner.connections == before


@BOTH
def test_what_was_checked_is_what_is_dialled(call: Caller, inner: Server) -> None:
    """A second look-up, between the check and the connection, is where rebinding gets in."""
    names = Names(["127.0.0.1"], ["127.0.0.9"])
    calls = Calls(LOCAL, options={"resolve": names})
    outcome = call(calls, [f"http://platform.example:{inner.port}/"] * 2)
    assert [getattr(one, "status", one) for one in outcome] == [200, 200]
    assert names.asked == 1  # the second call uses the connection of the first


@BOTH
def test_a_kept_connection_does_not_follow_a_name_that_turns_inwards(call: Caller) -> None:
    """The first connection is closed by the server; the next one is checked anew."""
    only_first = iter([True])

    def answer(connection: object) -> None:
        plain(b"hello", "200 OK", "Connection: close")(connection)  # type: ignore[arg-type]
        next(only_first, None)
        connection.close()  # type: ignore[attr-defined]

    with serving(answer) as outer:
        names = Names(["127.0.0.1"], ["0.0.0.0"])
        calls = Calls(LOCAL, options={"resolve": names})
        first, second = call(calls, [f"http://platform.example:{outer.port}/"] * 2)
    assert getattr(first, "status", first) == 200
    assert isinstance(second, AddressRefused), repr(second)
    assert outer.connections == 1
