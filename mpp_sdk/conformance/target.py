"""What the kit is told: which server, which contract, and what to authenticate with."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from mpp_sdk.transport import AddressPolicy


@dataclass(frozen=True)
class Credentials:
    """What the server admits the kit by.

    api_key is presented in `X-API-Key`. signing_secrets (`whsec_...`) are those that the server
    checks events with, all of them valid now; without any, events go unsigned. client_id and
    client_secret are OAuth 2 client credentials of the same company, for a server that takes them
    beside keys (notifications).
    """

    api_key: str = field(repr=False)
    signing_secrets: tuple[str, ...] = field(default=(), repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)

    def with_api_key(self, api_key: str) -> "Credentials":
        """Return the same with another key."""
        return replace(self, api_key=api_key)


@dataclass(frozen=True)
class Bounds:
    """How much may be asked of a server in use.

    seconds bounds the run; what is not shown by then is left. each_kind bounds how many operations
    of a kind (method, body, list) a case tries. A server that asks to wait (429) is left alone.
    """

    seconds: float
    each_kind: int = 1


@dataclass(frozen=True)
class Target:
    """A server and what is known of it.

    base_url is what comes before the contract's own base path. policy says which addresses may be
    called. The rest names what exists at the server, for contracts that are about a subscription:

    - subscription_id: an ACTIVE subscription that the credentials may speak for, to a service that
      needs customers' consent. The kit plays its provider's platform for `notifications`, its
      requester's for `metering`, and invents points of delivery (`CONFORMANCE-...`) under it.
    - ended_subscription_id: one of the same company that has ended (`notifications`).
    - foreign_subscription_id: one of two other companies (`notifications`, `metering`).
    - pod_ids: points of delivery under the subscription whose readings may be had (`metering`).
    - period: a period, [start, end), in which the first of them has readings (`metering`).
    - refused_pod_id: one whose customer has not consented (`metering`).
    - foreign_flex_offer_id: a flex-offer of another subscription (`flexoffer`).
    """

    base_url: str
    contract: str
    credentials: Credentials
    policy: AddressPolicy
    timeout: timedelta = timedelta(seconds=30)
    subscription_id: UUID | None = None
    ended_subscription_id: UUID | None = None
    foreign_subscription_id: UUID | None = None
    pod_ids: tuple[str, ...] = ()
    period: tuple[datetime, datetime] | None = None
    refused_pod_id: str | None = None
    foreign_flex_offer_id: UUID | None = None
    bounds: Bounds | None = None
