"""What sends the calls: the client's own guarded session, or one that the user brings."""

import asyncio

import pytest
import requests

from mpp_sdk.client import (
    NO_RETRIES,
    AddressPolicy,
    AddressRefused,
    ConnectionFailed,
    TimedOut,
)
from mpp_sdk.contracts.eu_mp.async_client import AsyncEuMpClient
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.contracts.notifications.async_client import AsyncNotificationsClient
from mpp_sdk.transport import GuardedClient, GuardedSession
from tests.unit.mpp_sdk.calling import (
    AVAILABLE,
    BOTH,
    Calls,
    breaking_off,
    document,
    header,
    scripted,
)
from tests.unit.mpp_sdk.test_transport import LOCAL, drip, plain


@pytest.mark.parametrize("call", BOTH)
@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        (AddressPolicy(), "https"),
        (AddressPolicy(allow_http=True), "public"),
        (AddressPolicy(allow_private=True), "https"),
    ],
)
def test_its_own_session_calls_public_addresses_by_https_unless_told_otherwise(
    call: Calls, addresses: AddressPolicy, reason: str
) -> None:
    with scripted(document(AVAILABLE)) as server:
        with pytest.raises(AddressRefused, match=reason):
            call("eu-mp", server.url, "test_connection", addresses=addresses)
        assert not server.requests
        assert call("eu-mp", server.url, "test_connection", addresses=LOCAL).contract == "metering"


def test_without_a_word_of_addresses_they_are_public_ones() -> None:
    with EuMpClient("http://127.0.0.1:9") as client, pytest.raises(AddressRefused):
        client.test_connection()


@pytest.mark.parametrize("kind", [EuMpClient, AsyncEuMpClient])
@pytest.mark.parametrize(
    "base_url", ["mpp.example/eu-mp/v1", "", "ftp://mpp.example", "https://", "/eu-mp/v1"]
)
def test_a_base_url_that_is_none_is_refused_at_once(
    kind: type[EuMpClient | AsyncEuMpClient], base_url: str
) -> None:
    with pytest.raises(ValueError, match="has to begin with https://"):
        kind(base_url)


@pytest.mark.parametrize("kind", [EuMpClient, AsyncEuMpClient])
def test_other_arguments_that_cannot_be_are_refused_at_once(
    kind: type[EuMpClient | AsyncEuMpClient],
) -> None:
    with pytest.raises(ValueError, match="neither a query nor a fragment"):
        kind("https://mpp.example/?a=b")
    with pytest.raises(ValueError, match="timeout_s is 0"):
        kind("https://mpp.example", timeout_s=0)


def test_addresses_do_not_go_with_a_session_of_ones_own() -> None:
    with pytest.raises(ValueError, match="give it to yours"):
        EuMpClient("https://mpp.example", requests.Session(), addresses=LOCAL)
    with pytest.raises(ValueError, match="give it to yours"):
        AsyncEuMpClient("https://mpp.example", GuardedClient(LOCAL), addresses=LOCAL)


def test_the_end_of_the_block_closes_what_the_client_opened() -> None:
    with scripted(document(AVAILABLE)) as server:
        with EuMpClient(server.url, addresses=LOCAL) as client:
            for _ in range(3):
                client.test_connection()
        assert server.connections == 1
        with pytest.raises(RuntimeError, match="closed"):
            client.test_connection()

    async def once(url: str) -> None:
        opened = AsyncEuMpClient(url, addresses=LOCAL)
        with pytest.raises(RuntimeError, match="async with"):
            await opened.test_connection()
        async with opened:
            for _ in range(3):
                await opened.test_connection()
        with pytest.raises(RuntimeError, match="async with"):
            await opened.test_connection()

    with scripted(document(AVAILABLE)) as server:
        asyncio.run(once(server.url))
        assert server.connections == 1


def test_a_session_of_the_users_own_is_left_open_and_shared() -> None:
    with scripted(document(AVAILABLE)) as server, GuardedSession(LOCAL) as session:
        for _ in range(2):
            with EuMpClient(server.url, session) as client:
                client.test_connection()
        assert session.get(server.url).status_code == 200
        assert server.connections == 1

    async def shared(url: str) -> None:
        async with GuardedClient(LOCAL) as session:
            async with AsyncEuMpClient(url, session) as client:
                await client.test_connection()
            await AsyncNotificationsClient(url, session).test_connection()

    with scripted(document(AVAILABLE)) as server:
        asyncio.run(shared(server.url))
        assert server.connections == 1


def test_what_a_plain_session_meets_is_told_as_by_the_guarded_one() -> None:
    with scripted(breaking_off) as server, requests.Session() as session:
        client = EuMpClient(server.url, session, retries=NO_RETRIES)
        with pytest.raises(ConnectionFailed, match=r"^The connection failed: "):
            client.test_connection()
    with scripted(plain(b"{}", "200 OK")) as server:
        port = server.port
    with pytest.raises(ConnectionFailed, match="refused"):
        EuMpClient(
            f"http://127.0.0.1:{port}", requests.Session(), retries=NO_RETRIES
        ).test_connection()
    with scripted(drip(b"", b"")) as server, pytest.raises(TimedOut):
        EuMpClient(server.url, requests.Session(), timeout_s=0.2).test_connection()
    with pytest.raises(AddressRefused, match="cannot be made"):
        EuMpClient("https://a..b/", requests.Session()).test_connection()


def test_a_token_may_be_waited_for() -> None:
    async def authenticate() -> dict[str, str]:
        await asyncio.sleep(0)
        return {"Authorization": "Bearer fxt_1"}

    async def once(url: str) -> None:
        async with AsyncEuMpClient(url, auth=authenticate, addresses=LOCAL) as client:
            await client.test_connection()

    with scripted(document(AVAILABLE)) as server:
        asyncio.run(once(server.url))
    assert header(server.requests[0], "Authorization") == "Bearer fxt_1"


def test_a_call_that_is_canceled_is_not_tried_again() -> None:
    async def canceled(url: str) -> None:
        async with AsyncEuMpClient(url, addresses=LOCAL) as client:
            task = asyncio.create_task(client.test_connection())
            while not server.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with scripted(drip(b"", b"")) as server:
        asyncio.run(canceled(server.url))
        assert len(server.requests) == 1
