"""The story of the demonstration: three processes, two companies, eight steps."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from rich.console import Console

from examples.demo import messages as who
from examples.demo.checks import check_data, check_marketplace, check_withdrawal, states
from examples.demo.companies import (
    Company,
    DidNotHappen,
    PlatformAccess,
    connect_platform,
    expect,
    register,
    run_set_up_test,
    sign_in,
    wait_until,
)
from examples.demo.drawing import STEPS, short
from examples.demo.environments import (
    PlatformSecrets,
    marketplace_environment,
    platform_environment,
)
from examples.demo.messages import Messages
from examples.demo.outcome import audit_trail, load_curves, timelines
from examples.demo.portfolio import DENIED, EXPECTED, GRANTED, WITHDRAWN
from examples.demo.processes import ServerProcess, free_port
from examples.demo.report import Participant, Report
from mpp_sdk.contracts.marketplace.client import MarketplaceClient
from mpp_sdk.contracts.marketplace.models import (
    DataStandard,
    Integration,
    MarketPlayerRole,
    OfferDraft,
    Period,
    Price,
    PriceModel,
    ServiceCategory,
    ServiceDescription,
    ServiceRequestDraft,
    Subscription,
    SubscriptionState,
    TestOutcome,
)
from mpp_sdk.database import open_database, reading
from mpp_sdk.metering.store import MeteringStore

INTERIM_INTERVAL = "PT5S"
_SHOWN_EACH = (5, 6)
_NAMES = {person.key: f"{person.name} ({person.kind})" for person in who.PARTICIPANTS}


class Scenario:
    """One run. Databases, logs and keys lie in a folder of their own."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder.resolve()
        self._console = console
        self._started_at = datetime.now(UTC)
        self._shown: set[tuple[str, str, int]] = set()
        self._servers: list[ServerProcess] = []
        self._messages = Messages(
            {
                who.MARKETPLACE.key: self._folder / "marketplace.access.jsonl",
                who.REQUESTER_PLATFORM.key: self._folder / "aggregator.access.jsonl",
                who.PROVIDER_PLATFORM.key: self._folder / "local_operator.access.jsonl",
            }
        )

    def stop(self) -> None:
        """End the processes that were started."""
        for server in reversed(self._servers):
            server.stop()

    def play(self) -> Report:
        """Return what happened. Raises DidNotStart, or DidNotHappen when a step does not come."""
        self._heading(0)
        marketplace = self._start_marketplace()
        operator = self._operator(marketplace)
        requester = register(
            marketplace, operator, who.REQUESTER.name, [MarketPlayerRole.AGGREGATOR]
        )
        provider = register(
            marketplace,
            operator,
            who.PROVIDER.name,
            [MarketPlayerRole.DSO, MarketPlayerRole.METERED_DATA_OPERATOR],
        )
        for company, person in ((requester, who.REQUESTER), (provider, who.PROVIDER)):
            self._messages.callers[f"credential:{company.credential_id}"] = person
            self._say(f"{company.name} signed up, and the operator activated it.")
        pause = {"AGGREGATOR_POINTS_PER_PAGE": "1000", "AGGREGATOR_PAUSE_SECONDS": "0.1"}
        self._start_platform(requester, "aggregator", "Aggregator", who.REQUESTER_PLATFORM, pause)
        self._local_operator = self._start_platform(
            provider, "local_operator", "LocalOperator", who.PROVIDER_PLATFORM, {}
        )
        service_id = self._publish(provider)

        self._show()
        subscription_id = self._negotiate(requester, provider, service_id)
        self._integrate(requester, subscription_id)
        self._withdraw_in_the_middle()
        self._finish(operator, subscription_id)
        return self._report(operator, requester, subscription_id)

    # ---- before: the processes and the companies

    def _start_marketplace(self) -> str:
        port = free_port()
        self._marketplace_environment = marketplace_environment(self._folder, port)
        server = ServerProcess(
            "The marketplace",
            ["marketplace", "serve"],
            port,
            self._marketplace_environment,
            self._folder / "marketplace.log",
        )
        self._servers.append(server)
        server.start()
        self._say(f"The marketplace runs at {server.url}; its contracts are at {server.url}/docs.")
        return server.url

    def _operator(self, marketplace_url: str) -> MarketplaceClient:
        command = ["marketplace", "operator", "create", "--name", "Demonstration", "--json"]
        created = _run(command, self._marketplace_environment)
        return sign_in(marketplace_url, created["clientId"], created["clientSecret"])

    def _start_platform(
        self,
        company: Company,
        module: str,
        handler: str,
        participant: Participant,
        extra: Mapping[str, str],
    ) -> Mapping[str, str]:
        port, inbound_key = free_port(), f"demo-{secrets.token_urlsafe(24)}"
        access: PlatformAccess = connect_platform(company, f"http://127.0.0.1:{port}", inbound_key)
        self._messages.callers[f"credential:{access.credential_id}"] = participant
        given = PlatformSecrets(inbound_key, access.api_key, access.signing_secret)
        environment = {
            **platform_environment(
                self._folder, module, company.name, port, self._servers[0].url, given
            ),
            **extra,
        }
        server = ServerProcess(
            f"The platform of {company.name}",
            ["mpp_sdk", "serve", f"examples.{module}:{handler}"],
            port,
            environment,
            self._folder / f"{module}.log",
        )
        self._servers.append(server)
        server.start()
        test = run_set_up_test(company)
        kept = [step for step in test.steps if step.title and step.outcome is TestOutcome.PASSED]
        outcomes = ", ".join(
            f"{step.name} {'[green]ok[/]' if step.outcome is TestOutcome.PASSED else '[red]no[/]'}"
            for step in test.steps
            if step.title is None or step.outcome is TestOutcome.FAILED
        )
        self._say(
            f"{server.name} runs at {server.url}. Set-up test: {outcomes}, {len(kept)} rules of the"
            " contract kept."
        )
        return environment

    def _publish(self, provider: Company) -> UUID:
        draft = provider.client.create_service(
            ServiceDescription(
                name="Validated meter data",
                summary="Hourly and half-hourly readings of households, as CIM market documents",
                category=ServiceCategory.METERING_DATA,
                provider_role=MarketPlayerRole.METERED_DATA_OPERATOR,
                countries=["ES"],
                data_standard=DataStandard.CIM_IEC_62325,
                consent_required=True,
                price=Price(model=PriceModel.FREE),
                terms="Readings of the day before by noon.",
                interim_status_interval=INTERIM_INTERVAL,
                integration=Integration(contract="metering", contract_version="1.0.0"),
            )
        ).body
        provider.client.publish_service_version(draft.service_id, draft.version)
        self._say(f"{provider.name} published the service “Validated meter data”.")
        return draft.service_id

    # ---- the eight steps

    def _negotiate(self, requester: Company, provider: Company, service_id: UUID) -> UUID:
        self._heading(1)
        found = requester.client.list_services(q="meter read")
        if service_id not in {service.service_id for service in found.items}:
            raise DidNotHappen("The published service was not found in the catalogue.")
        request = requester.client.request_service(
            ServiceRequestDraft(service_id=service_id, message="For our portfolio of five points.")
        ).body
        self._show()
        self._say(f"The request is {request.state}.")

        self._heading(2)
        offer = provider.client.make_offer(
            request.service_request_id,
            OfferDraft(
                terms="Readings of the day before by noon. Free of charge.",
                price=Price(model=PriceModel.FREE),
                validity=Period(start=self._started_at - timedelta(minutes=1)),
                interim_status_interval=INTERIM_INTERVAL,
                valid_until=self._started_at + timedelta(days=14),
            ),
        ).body
        self._show()
        self._say(f"Offer {offer.revision} is {offer.state}.")

        self._heading(3)
        subscription = requester.client.accept_offer(
            request.service_request_id, offer.offer_id
        ).body
        self._say(f"The subscription is {subscription.state}: neither platform knows of it yet.")
        return subscription.subscription_id

    def _integrate(self, requester: Company, subscription_id: UUID) -> None:
        def active() -> Subscription | None:
            subscription = requester.client.read_subscription(subscription_id).body
            return subscription if subscription.state is SubscriptionState.ACTIVE else None

        wait_until("The acknowledgement by both platforms", active)
        self._show()
        self._say("The subscription is ACTIVE: both have acknowledged.")
        self._console.print("\n[b]4 to 8. The platforms do the rest by themselves[/]")
        self._until("The first readings", lambda: self._seen(7, 200))

    def _withdraw_in_the_middle(self) -> None:
        self._until(
            f"The first readings of {WITHDRAWN}", lambda: self._seen(7, 200, path=WITHDRAWN)
        )
        self._messages.withdrawing = True
        self._say(f"The customer of {WITHDRAWN} withdraws the consent while readings are flowing.")
        reason = "The customer changed supplier."
        command = ["mpp_sdk", "consents", "withdraw", WITHDRAWN, "--reason", reason]
        _run(command, self._local_operator)
        self._until("The refusal of further readings", lambda: self._seen(7, 403))

    def _finish(self, operator: MarketplaceClient, subscription_id: UUID) -> None:
        ours, theirs = self._store("aggregator"), self._store("local_operator")

        def complete() -> bool:
            self._show()
            return (
                all(ours.count(pod) == theirs.count(pod) for pod in GRANTED)
                and ours.count(WITHDRAWN) == 0
                and states(operator, subscription_id) == EXPECTED
            )

        wait_until("The end of the exchange", lambda: complete() or None, seconds=120)
        self._until("An interim status", lambda: self._seen(8, 200))

    # ---- what came of it

    def _report(
        self, operator: MarketplaceClient, requester: Company, subscription_id: UUID
    ) -> Report:
        self._show()
        ours, theirs = self._store("aggregator"), self._store("local_operator")
        subscription = requester.client.read_subscription(subscription_id).body
        accepted = subscription.created_at
        first_data = min(m.at for m in self._messages.all if m.step == 7 and m.status == 200)
        return Report(
            started_at=self._started_at,
            ended_at=datetime.now(UTC),
            acceptance_to_active=expect(subscription.activated_at) - accepted,
            acceptance_to_first_data=first_data - accepted,
            readings_received=ours.count(),
            participants=[
                person
                for person in who.PARTICIPANTS
                if any(person.key in (m.sender, m.receiver) for m in self._messages.all)
            ],
            messages=self._messages.all,
            groups=timelines(audit_trail(operator, subscription_id), subscription),
            curves=load_curves(ours),
            checks=[
                *check_data(ours, theirs, with_consent=GRANTED, without=(DENIED, WITHDRAWN)),
                check_withdrawal(self._messages.all),
                *check_marketplace(operator, subscription),
            ],
        )

    # ---- telling

    def _heading(self, step: int) -> None:
        title = f"{step}. {STEPS[step]}" if step else STEPS[0]
        self._console.print(f"\n[b]{title}[/]")

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}")

    def _show(self) -> None:
        """Print the messages since the last time; the like of one another only once."""
        for message in self._messages.new():
            kind = (message.sender, message.path, message.status)
            if kind in self._shown and message.step not in _SHOWN_EACH:
                continue
            self._shown.add(kind)
            tone = "green" if message.status < 300 else "red"
            elapsed = (message.at - self._started_at).total_seconds()
            self._console.print(
                f"  [dim]{elapsed:6.2f} s[/]  [b]{message.step}[/]  {_NAMES[message.sender]}"
                f" [dim]→[/] {_NAMES[message.receiver]}: {message.method} {short(message.path)}"
                f" [{tone}]{message.status}[/]",
            )

    def _seen(self, step: int, status: int, path: str = "") -> bool:
        return any(
            message.step == step and message.status == status and path in message.path
            for message in self._messages.all
        )

    def _until(self, what: str, condition: Callable[[], bool]) -> None:
        def look() -> bool | None:
            self._show()
            return condition() or None

        wait_until(what, look)

    def _store(self, module: str) -> MeteringStore:
        return MeteringStore(reading(open_database(f"sqlite:///{self._folder / module}.db")))


def _run(module: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """Run `python -m ...` and return the JSON object that it prints last."""
    result = subprocess.run(
        [sys.executable, "-m", *module],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise DidNotHappen(f"`{' '.join(module)}` failed:\n{result.stderr[-2000:]}")
    printed: dict[str, str] = json.loads(result.stdout.strip().splitlines()[-1])
    return printed
