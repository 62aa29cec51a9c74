"""The two platforms of the demonstration that really run, each from a thread of this process."""

import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from marketplace.demo_data.cast import Part
from marketplace.demo_data.stage import Stage
from marketplace.identity import service as identity
from marketplace.identity.domain import COMPANY_ROLES, CredentialKind
from mpp_sdk.metering.handler import MeteringProvider
from mpp_sdk.metering.store import MeteringStore
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.subscriptions import Subscription
from mpp_sdk.web.server import LOOPBACK, BackgroundServer

_DENIED = "7"
_UNANSWERED = "9"


class DemoPlatform(MarketPlayerPlatform):
    """A platform whose customers answer at once: by the last digit of their point of delivery."""

    def __init__(self, settings: PlatformSettings) -> None:
        super().__init__(settings)
        store = MeteringStore(self.engine)
        store.create()
        self.serve_contract(MeteringProvider(self, store))

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        """Answer for the customers: most say yes, some no, some nothing yet."""
        for pod in pods:
            if pod.pod_id.endswith(_DENIED):
                self.consents.deny(subscription.id, pod.pod_id, "The customer said no.")
            elif not pod.pod_id.endswith(_UNANSWERED):
                self.consents.grant(subscription.id, pod.pod_id)
                self.activations.activate(subscription.id, pod.pod_id)


def running_platform(stage: Stage, part: Part, folder: Path) -> BackgroundServer:
    """Return the platform of a company, known to the marketplace, ready to be started."""
    company = stage.companies[part.name]
    port = _free_port()
    inbound_key = f"demo-{secrets.token_urlsafe(24)}"
    signing_secret = stage.connect(part, f"http://{LOOPBACK}:{port}", inbound_key)
    with stage.acting(part):
        issued = identity.issue_credential(
            company, CredentialKind.API_KEY, "platform", COMPANY_ROLES
        )
    file = folder / f"{part.email.partition('@')[0]}.db"
    platform = DemoPlatform(
        PlatformSettings(
            name=part.name,
            database_url=f"sqlite:///{file}",
            port=port,
            marketplace_url=stage.environment.settings.effective_public_url,
            api_key=SecretStr(issued.secret),
            inbound_api_key=SecretStr(inbound_key),
            signing_secrets=(SecretStr(signing_secret),),
            allow_private_addresses=True,
            allow_http=True,
        )
    )
    return BackgroundServer(platform.app(), port=port)


def _free_port() -> int:
    """Return a port of the loopback address that nothing listens on.

    The marketplace is told of the address before the platform can begin to listen there.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
