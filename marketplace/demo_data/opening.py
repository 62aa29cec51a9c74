"""Fills a marketplace for the demonstration, and has the platforms run while it is served."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from marketplace.core.environment import Environment
from marketplace.demo_data.cast import OPERATOR, OTHERS, PROVIDER, REQUESTER
from marketplace.demo_data.history import History
from marketplace.demo_data.platforms import running_platform
from marketplace.demo_data.services import TERMS
from marketplace.demo_data.stage import Access, Stage
from marketplace.demo_data.stand_ins import StandIns
from marketplace.identity import service as identity
from marketplace.monitoring import requesting
from marketplace.subscriptions import negotiation
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import OfferDraft, Period, ServiceRequestDraft
from mpp_sdk.web.server import BackgroundServer

_SERVICES = ("Validated meter data", "Load profiles of feeders")
_PODS = 24
_NOBODY = "http://127.0.0.1:9"  # the discard port, which nothing listens on


@dataclass(frozen=True)
class SignIn:
    """An account of the demonstration, and whose it is."""

    role: str
    email: str
    password: str


@contextmanager
def filled(environment: Environment) -> Iterator[list[SignIn]]:
    """Fill an empty marketplace; give the accounts, while the two live platforms run.

    The live companies agree on subscriptions now, and their platforms do the rest once the
    marketplace is served.
    """
    stage = Stage(environment)
    stand_ins = StandIns()
    folder = environment.settings.data_dir
    with ExitStack() as running:
        url = running.enter_context(BackgroundServer(stand_ins.app()))
        history = History(stage, now(), _platforms(stand_ins, url))
        history.play()
        stage.people(PROVIDER, REQUESTER)
        for part in (PROVIDER, REQUESTER):
            running.enter_context(running_platform(stage, part, folder))
            with stage.acting(part):
                identity.test_platform(stage.companies[part.name])
        for name in _SERVICES:
            _subscribe(stage, history, name)
        yield [
            SignIn("provider", PROVIDER.email, stage.password),
            SignIn("requester", REQUESTER.email, stage.password),
            SignIn("operator", OPERATOR[1], stage.password),
        ]


def _platforms(stand_ins: StandIns, url: str) -> dict[str, Access]:
    """Return where the made-up platforms are; the last company's has stopped for good."""
    *running, stopped = OTHERS
    found = {
        part.name: Access(f"{url}/{part.country}".lower(), stand_ins.open(part.country.lower()))
        for part in running
    }
    return {**found, stopped.name: Access(_NOBODY, "nobody-takes-this-key")}


def _subscribe(stage: Stage, history: History, name: str) -> None:
    """Have the live companies agree on a service; where it needs consents, add some PoDs."""
    description = history.described(name)
    service_id = history.service_id(name)
    with stage.acting(REQUESTER):
        draft = ServiceRequestDraft(
            service_id=service_id, message="As agreed on the telephone.", expected_pods=_PODS
        )
        request_id = negotiation.request_service(draft).request.id
    moment = now()
    with stage.acting(PROVIDER):
        offer = negotiation.make_offer(
            request_id,
            OfferDraft(
                terms=TERMS,
                price=description.price,
                validity=Period(start=moment, end=moment + timedelta(days=365)),
                interim_status_interval="PT1M",
                valid_until=moment + timedelta(days=14),
            ),
        )
    with stage.acting(REQUESTER):
        subscription_id = negotiation.accept_offer(request_id, offer.id, None).id
        if description.consent_required:
            pods = [f"ES{21_000_000_000_000 + number:018d}" for number in range(_PODS)]
            requesting.request_points_of_delivery(subscription_id, pods)
