"""Asks the marketplace for actions over HTTP, until each is acknowledged, whatever happens."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

import requests

from examples.demo.companies import Company, expect
from mpp_sdk.contracts.marketplace.models import CredentialDraft, CredentialKind, PlatformRole
from tests.chaos.ledger import Ledger, Stream
from tests.chaos.world import Agreed, World

_CALLERS = 16
_PAUSE_S = 0.05
_TIMEOUT_S = 20.0


class Caller:
    """Calls one after the other of the web processes, with the operator's token unless told."""

    def __init__(self, urls: Sequence[str], token: str, stop: threading.Event) -> None:
        self._hosts = [urlsplit(url).netloc for url in urls]
        self._operator = {"Authorization": f"Bearer {token}"}
        self._connections: dict[str, http.client.HTTPConnection] = {}
        self._stop = stop
        self.answers: Counter[str] = Counter()

    def insist(self, path: str, reason: str, key: str) -> bool:
        """Make a call until it succeeds; return whether it did before everything was stopped."""
        return self._insist(path, {"reason": reason}, key, self._operator)

    def insist_on_point_of_delivery(self, path: str, pod_id: str, api_key: str) -> bool:
        """Add a point of delivery, as the company of an API key, until it is there."""
        credential = {"X-API-Key": api_key}
        return self._insist(path, {"podIds": [pod_id]}, pod_id, credential)

    def _insist(
        self, path: str, body: Mapping[str, object], key: str, credential: Mapping[str, str]
    ) -> bool:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **credential}
        while not self._stop.is_set():
            answer = self._call(path, body, headers)
            self.answers[answer] += 1
            if answer in ("200", "202"):
                return True
            if self._stop.wait(_PAUSE_S):
                break
        return False

    def _call(self, path: str, body: Mapping[str, object], headers: Mapping[str, str]) -> str:
        """Return the status of an answer, with what it says where that is not expected."""
        host = self._hosts.pop(0)  # each in its turn
        self._hosts.append(host)
        if host not in self._connections:
            self._connections[host] = http.client.HTTPConnection(host, timeout=_TIMEOUT_S)
        connection = self._connections[host]
        try:
            connection.request("POST", f"/api/v1{path}", json.dumps(body), dict(headers))
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connections.pop(host).close()
            return type(error).__name__
        if answer.status in (200, 202, 429, 503):
            return str(answer.status)
        return f"{answer.status} {said.decode(errors='replace')[:200]}"


class Driver:
    """Suspends and resumes subscriptions and whole companies, until enough was asked for.

    Under single subscriptions it adds a point of delivery each time that they run again.
    """

    def __init__(self, world: World, target: int, *, backlog: int = 3_000) -> None:
        self._world = world
        self.target = target
        self._backlog = backlog
        self._stop = threading.Event()
        self._applied: Callable[[], int] = lambda: 0
        token = _token(world)
        urls = [web.url for web in world.webs]
        self._keys = {
            name: _api_key(world.members[name].company)
            for name in {one.requester for one in world.single}
        }
        self._callers: list[Caller] = []
        self._threads: list[threading.Thread] = []
        for requester, subscriptions in world.bulk.items():
            self._add(
                self._toggle_company, Caller(urls, token, self._stop), requester, subscriptions
            )
        for place in range(_CALLERS):
            if part := world.single[place::_CALLERS]:
                self._add(self._toggle_each, Caller(urls, token, self._stop), part)

    def _add(self, function: Callable[..., None], caller: Caller, *arguments: object) -> None:
        self._callers.append(caller)
        self._threads.append(
            threading.Thread(target=function, args=(caller, *arguments), daemon=True)
        )

    def start(self, applied: Callable[[], int]) -> None:
        """Begin. applied says how many events have come through, so that few enough wait."""
        self._applied = applied
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        """Whether there is something to ask for still."""
        return any(thread.is_alive() for thread in self._threads)

    def enough(self) -> None:
        """Ask for nothing new; what is suspended is resumed."""
        self.target = 0

    def stop(self) -> None:
        """Ask for nothing any more, and give up what is not acknowledged."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT_S + 5)

    @property
    def answers(self) -> Counter[str]:
        """What the marketplace answered, and how often."""
        return sum((caller.answers for caller in self._callers), Counter())

    def _wants_more(self, made: int) -> bool:
        ledger: Ledger = self._world.ledger
        while not self._stop.is_set() and ledger.events < self.target:
            if ledger.events - self._applied() < self._backlog:
                return True
            time.sleep(0.1)
        # What was suspended is resumed at the end.
        return made % 2 == 1 and not self._stop.is_set()

    def _toggle_company(
        self, caller: Caller, requester: str, subscriptions: Sequence[Agreed]
    ) -> None:
        player = self._world.members[requester].company.player_id
        streams = [stream for one in subscriptions for stream in one.streams]
        made = 0
        while self._wants_more(made):
            verb, what = ("reinstate", "resumed") if made % 2 else ("suspend", "suspended")
            asked = self._world.ledger.ask(what, streams)
            path = f"/market-players/{player}/{verb}"
            if not caller.insist(path, asked.reason, asked.reason.replace(" ", "-")):
                return
            self._world.ledger.acknowledge(asked, len(streams))
            made += 1

    def _toggle_each(self, caller: Caller, subscriptions: Sequence[Agreed]) -> None:
        made = 0
        while self._wants_more(made):
            verb, what = ("resume", "resumed") if made % 2 else ("suspend", "suspended")
            for one in subscriptions:
                asked = self._world.ledger.ask(what, one.streams)
                path = f"/subscriptions/{one.subscription_id}/{verb}"
                if not caller.insist(path, asked.reason, asked.reason.replace(" ", "-")):
                    return
                self._world.ledger.acknowledge(asked, 2)
                if made % 2 and not self._add_point_of_delivery(caller, one):
                    return
            made += 1

    def _add_point_of_delivery(self, caller: Caller, one: Agreed) -> bool:
        stream = Stream(one.requester, one.subscription_id)
        asked = self._world.ledger.ask("requested", [stream])
        key = asked.reason.replace(" ", "-")
        path = f"/subscriptions/{one.subscription_id}/points-of-delivery"
        if not caller.insist_on_point_of_delivery(path, key, self._keys[one.requester]):
            return False
        self._world.ledger.acknowledge(asked, 1)
        return True


def _api_key(company: Company) -> str:
    """Return a key of a company that nobody refreshes."""
    draft = CredentialDraft(
        kind=CredentialKind.API_KEY, label="chaos", roles=[PlatformRole.REQUESTER]
    )
    return expect(company.client.issue_credential(company.player_id, draft).api_key)


def _token(world: World) -> str:
    client_id, client_secret = world.operator_id
    answer = requests.post(
        f"{world.webs[0].url}/api/v1/oauth/token",
        data={
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        },
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])
