"""A storm of calls on every served contract: `python -m tests.contract.storm --calls 1000000`.

Two pairs of companies, an operator, strangers and companies that may be broken call at once, with
requests of a grammar. Whoever answers must never fail, never answer what its contract does not
say, and never tell one company of another.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlsplit
from uuid import UUID

from rich.console import Console

from mpp_sdk import webhooks
from mpp_sdk.client import ProblemError
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import MarketPlayerRole
from mpp_sdk.ids import new_id
from mpp_sdk.web.contract import Contract, Operation
from tests.world import people
from tests.world.people import Company
from tests.world.processes import PODS, PlatformProcess, without_limits
from tests.world.scene import Pair, Scene, staged

from .flexoffers import Offerer, served_to_two
from .grammar import Grammar, Request, Sign
from .judge import Flaw, Foreign, Judge
from .wire import Answer, Connection

CONNECTIONS = 24
_RENEW_EVERY_SECONDS = 10
_KEPT = 6
_SHOWN = 40

Words = dict[str, list[str]]
"""Values that mean something, by the names that the contract gives them."""


@dataclass
class Actor:
    """Somebody who calls: with which credential, about what, and what it must not be told.

    own are the ids that it may do everything with, others those of somebody else.
    """

    name: str
    credentials: Sequence[Mapping[str, str]]
    own: Words
    others: Words
    foreign: Foreign = field(default_factory=lambda: Foreign(()))

    def vocabulary(self, operation: Operation, random: Random) -> Words:
        """Return what a call is about.

        An actor leaves its own company, platform and credentials as they are, for the storm needs
        it; and it asks for no service of the others, who would rightly come to know it.
        """
        if operation.name in ("request_service", "counter_offer"):
            return self.own
        if operation.method != "GET" and "{marketPlayerId}" in operation.path:
            return self.others
        return self.own if random.random() < 0.7 else self.others


@dataclass
class Target:
    """A contract that is served somewhere, who calls it, and how often in comparison."""

    name: str
    contract: Contract
    url: str
    actors: Sequence[Actor]
    weight: int
    grammar: Grammar
    judge: Judge

    @classmethod
    def of(
        cls, name: str, contract: str, url: str, actors: Sequence[Actor], weight: int, sign: Sign
    ) -> "Target":
        """Return a target."""
        loaded = Contract.load(contract)
        return cls(name, loaded, url, actors, weight, Grammar(loaded, sign), Judge(loaded))


@dataclass
class Storm:
    """What came of the calls so far."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    succeeded: Counter[str] = field(default_factory=Counter)
    flaws: dict[str, tuple[Flaw, Request, str]] = field(default_factory=dict)
    flawed: Counter[str] = field(default_factory=Counter)

    def note(self, target: Target, actor: Actor, request: Request, answer: Answer) -> None:
        """Take up an answer."""
        self.calls += 1
        self.statuses[answer.status] += 1
        self.targets[target.name] += 1
        self.operations[request.operation.operation_id] += 1
        if answer.status < 300:
            self.succeeded[request.operation.operation_id] += 1
        for flaw in target.judge.flaws(request, answer, actor.foreign):
            self.blame(flaw, target, actor, request)

    def blame(self, flaw: Flaw, target: Target, actor: Actor, request: Request) -> None:
        """Keep a flaw, the first of its sort with the call that showed it."""
        sort = f"{flaw.kind}: {target.name}: {request.operation.operation_id}: {flaw.detail[:60]}"
        self.flawed[sort] += 1
        self.flaws.setdefault(sort, (flaw, request, actor.name))


async def rage(
    targets: Sequence[Target],
    calls: int,
    seed: int,
    progress: Callable[[Storm], None] = lambda storm: None,
) -> Storm:
    """Return what came of so many calls."""
    storm = Storm()
    numbers = iter(range(calls))
    await asyncio.gather(
        *(
            _call_on(targets, numbers, Random(f"{seed}/{which}"), storm, progress)
            for which in range(CONNECTIONS)
        )
    )
    return storm


async def _call_on(
    targets: Sequence[Target],
    numbers: Iterator[int],
    random: Random,
    storm: Storm,
    progress: Callable[[Storm], None],
) -> None:
    connections = {target.name: _connection(target) for target in targets}
    weights = [target.weight for target in targets]
    for number in numbers:
        [target] = random.choices(targets, weights)
        actor = random.choice(target.actors)
        operation = random.choice(target.contract.operations)
        request = target.grammar.request(
            random, operation, actor.vocabulary(operation, random), random.choice(actor.credentials)
        )
        try:
            answer = await connections[target.name].ask(request)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            storm.blame(Flaw("no answer", repr(error)[:100]), target, actor, request)
            continue
        storm.note(target, actor, request, answer)
        if number % 5_000 == 0:
            progress(storm)
    for connection in connections.values():
        await connection.close()


def _connection(target: Target) -> Connection:
    parts = urlsplit(target.url)
    return Connection(parts.hostname or "", parts.port or 80)


class Cast:
    """Everybody in the scene, and what each of them has; more is made while the storm goes on."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._private: dict[str, list[str]] = {"first": [], "second": []}
        self._words: dict[str, Words] = {"first": {}, "second": {}, "victim": {}}
        for name, pair in (("first", scene.first), ("second", scene.second)):
            self._learn(name, pair)
            secret = [str(pair.draft.service_id), pair.requester.name]
            self._private[name] += [*secret, str(pair.requester.credential_id)]
        self._keep("second", "subscriptionId", scene.second_at_first.subscription_id)
        self._make_victim()
        self.actors = self._actors()

    def _learn(self, name: str, pair: Pair) -> None:
        for word, value in (
            ("serviceId", pair.service.service_id),
            ("serviceRequestId", pair.request.service_request_id),
            ("offerId", pair.offer.offer_id),
            ("serviceRequestId", pair.confirmed_request.service_request_id),
            ("subscriptionId", pair.subscription.subscription_id),
            ("marketPlayerId", pair.requester.player_id),
            ("marketPlayerId", pair.provider.player_id),
            ("providerId", pair.provider.player_id),
            ("credentialId", pair.requester.key_id),
        ):
            self._keep(name, word, value)
            if word not in ("serviceId", "marketPlayerId", "providerId"):
                self._private[name].append(str(value))
        self._words[name] |= {"version": ["1", "2"], "podId": list(PODS), "podIds": list(PODS)}

    def _keep(self, name: str, word: str, value: UUID) -> None:
        values = self._words[name].setdefault(word, [])
        values.insert(0, str(value))
        del values[_KEPT:]

    def _make_victim(self) -> None:
        victim = self.scene.register.company(f"Victim {new_id()}", [MarketPlayerRole.DSO])
        self.victim = victim
        self._keep("victim", "marketPlayerId", victim.player_id)
        self._keep("victim", "credentialId", victim.credential_id)
        self._keep("victim", "credentialId", victim.key_id)

    def _actors(self) -> dict[str, list[Actor]]:
        scene, words = self.scene, self._words
        everything = [scene.first.provider, scene.second.provider, scene.second.requester]
        assert all(company.key for company in everything)
        both: Words = {}

        def company(name: str, which: Company, own: str, other: str, secret: Foreign) -> Actor:
            credentials = [which.headers, which.key_headers]
            return Actor(name, credentials, words[own], words[other], secret)

        operator = Actor("operator", [scene.register.operator.headers], words["first"], both)
        operator.others = words["victim"]
        strangers = Actor(
            "nobody",
            [{}, {"X-API-Key": "fxk_unknown"}, {"Authorization": "Bearer fxt_unknown"}],
            words["first"],
            words["second"],
            Foreign([*self._private["first"], *self._private["second"]]),
        )
        # The first provider knows the second requester: they have a subscription.
        known = {scene.second.requester.name, str(scene.second_at_first.subscription_id)}
        from_first = Foreign(self._private["second"])
        from_provider = Foreign(set(self._private["second"]) - known)
        from_second = Foreign(self._private["first"])
        first, second = scene.first, scene.second
        return {
            "all": [
                company("first requester", first.requester, "first", "second", from_first),
                company("first provider", first.provider, "first", "second", from_provider),
                company("second requester", second.requester, "second", "first", from_second),
                company("second provider", second.provider, "second", "first", from_second),
                company("victim", self.victim, "victim", "first", strangers.foreign),
                operator,
                strangers,
            ]
        }

    def renew(self) -> None:
        """Make new things for both pairs, since the storm uses them up, and tell everybody."""
        for name, pair in (("first", self.scene.first), ("second", self.scene.second)):
            with suppress(ProblemError):
                service = people.publish(pair.provider, f"Service {new_id()}")
                self._keep(name, "serviceId", service.service_id)
                requested = people.request(pair.requester, service)
                self._keep(name, "serviceRequestId", requested.service_request_id)
                offered = people.offer(pair.provider, requested)
                self._keep(name, "offerId", offered.offer_id)
                subscription = people.subscribe(pair.provider, pair.requester, service)
                self._keep(name, "subscriptionId", subscription.subscription_id)
                found = pair.requester.client.list_deliveries(limit=2).items
                for delivery in found:
                    self._keep(name, "eventId", delivery.event_id)
        with suppress(ProblemError):
            self._make_victim()
            [victim] = [actor for actor in self.actors["all"] if actor.name == "victim"]
            victim.credentials = [self.victim.headers, self.victim.key_headers]


@contextmanager
def brewing(folder: Path) -> Iterator[list[Target]]:
    """Give the targets of a storm, and renew what it uses up, for as long as the block runs."""
    settings = {"FLEXAGORA_API_KEY_GRACE": "P1D", **without_limits("FLEXAGORA_")}
    with staged(folder, settings, without_limits("MPP_")) as scene:
        cast = Cast(scene)
        stopping = threading.Event()

        def renew() -> None:
            while not stopping.wait(_RENEW_EVERY_SECONDS):
                cast.renew()

        thread = threading.Thread(target=renew, daemon=True)
        cast.renew()
        thread.start()
        try:
            with served_to_two(folder / "flexoffers") as (url, offerers):
                yield [*_targets(scene, cast), _flexoffers(url, offerers)]
        finally:
            stopping.set()
            thread.join()


def _targets(scene: Scene, cast: Cast) -> list[Target]:
    everybody = cast.actors["all"]
    # Who refreshes its key may come to be without one: only the victim does.
    targets = [
        Target.of(name, name, scene.register.url, everybody, weight, _unsigned)
        for name, weight in (("marketplace", 10), ("notifications", 4))
    ]
    nobody = Actor("nobody", [{}, {"X-API-Key": "unknown"}], {}, {})
    for platform, company in zip(
        scene.platforms,
        (scene.first.provider, scene.first.requester, scene.second.requester),
        strict=True,
    ):
        actors = [Actor("marketplace", [{"X-API-Key": platform.inbound_key}], {}, {})] * 5
        targets.append(
            Target.of(
                f"eu_mp of {platform.name}",
                "eu_mp",
                platform.url,
                [*actors, nobody],
                1,
                _signer(company.signing_secret),
            )
        )
    targets.append(_metering(scene, scene.provider_platform, nobody))
    return targets


def _metering(scene: Scene, platform: PlatformProcess, nobody: Actor) -> Target:
    first: Words = {
        "subscriptionId": [str(scene.first.subscription.subscription_id)],
        "podId": list(PODS),
    }
    second: Words = {
        "subscriptionId": [str(scene.second_at_first.subscription_id)],
        "podId": list(PODS),
    }
    readings = Foreign({'"quantity"', "<quantity>"})
    actors = [
        Actor("first requester", [{"X-API-Key": scene.first_key}], first, first),
        Actor("second requester", [{"X-API-Key": scene.second_key}], second, first, readings),
        nobody,
    ]
    return Target.of("metering", "metering", platform.url, actors, 2, _unsigned)


def _flexoffers(url: str, offerers: Sequence[Offerer]) -> Target:
    first, second = offerers
    actors = [
        Actor(
            one.name,
            [{"X-API-Key": one.key}],
            {"id": list(one.flex_offer_ids), "flexOfferId": list(one.flex_offer_ids)},
            {"id": list(other.flex_offer_ids), "flexOfferId": list(other.flex_offer_ids)},
            Foreign({f"{other.name}-household", str(other.subscription_id)}),
        )
        for one, other in ((first, second), (second, first))
    ]
    nobody = Actor("nobody", [{}, {"X-API-Key": "unknown"}], actors[0].own, actors[1].own)
    return Target.of("flexoffer", "flexoffer", url, [*actors, nobody], 3, _unsigned)


def _unsigned(event_id: str, body: bytes) -> Mapping[str, str]:
    return {}


def _signer(secret: str) -> Sign:
    def sign(event_id: str, body: bytes) -> Mapping[str, str]:
        try:
            return webhooks.sign(event_id, now(), body, [secret])
        except UnicodeDecodeError:
            return {}

    return sign


def main() -> int:
    """Let it rage, show what came of it, and return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    console = Console(width=150)
    console.print(f"Seed {options.seed}")
    started = time.monotonic()
    said: set[str] = set()

    def show_progress(storm: Storm) -> None:
        rate = storm.calls / max(time.monotonic() - started, 1)
        console.print(f"{storm.calls:>9,} calls, {rate:,.0f}/s, {sum(storm.flawed.values())} flaws")
        for sort in [one for one in storm.flaws if one not in said]:
            said.add(sort)
            console.print(sort, markup=False)

    with tempfile.TemporaryDirectory() as temporary, brewing(Path(temporary)) as targets:
        storm = asyncio.run(rage(targets, options.calls, options.seed, show_progress))
    show(console, storm)
    return int(bool(storm.flaws) or storm.calls != options.calls)


def show(console: Console, storm: Storm) -> None:
    """Print what came of a storm."""
    console.print(f"{storm.calls:,} calls: {dict(storm.targets)}")
    console.print(f"Statuses: {dict(sorted(storm.statuses.items()))}")
    never = sorted(set(storm.operations) - set(storm.succeeded))
    console.print(f"Never answered with success: {', '.join(never) or 'none'}")
    for sort, (flaw, request, actor) in list(storm.flaws.items())[:_SHOWN]:
        console.rule(f"{storm.flawed[sort]} x {sort}")
        lines = (
            flaw.detail,
            f"{actor}: {request.method} {request.target[:300]}",
            str([(name, value[:80]) for name, value in request.headers]),
            str((request.body or b"")[:600]),
        )
        console.print(*lines, sep="\n", markup=False)
    console.print(f"{len(storm.flaws)} sorts of flaws")


if __name__ == "__main__":
    sys.exit(main())
