"""A platform served over real HTTP in the process of its tests.

with ServedPlatform(MyPlatform, tmp_path) as served:
    served.tell("confirm_service_offer", PlatformRole.PROVIDER)
    assert served.platform.subscriptions.all()
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import SecretStr

from mpp_sdk import clock
from mpp_sdk.conformance.model import Outcome
from mpp_sdk.conformance.registry import cases_of
from mpp_sdk.conformance.runner import Run, run
from mpp_sdk.conformance.subject import Subject, opened
from mpp_sdk.conformance.target import Credentials, Target
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.secrets import new_secret
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.transport import AddressPolicy
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.server import BackgroundServer
from mpp_sdk.webhooks import new_signing_secret

PlatformT = TypeVar("PlatformT", bound=MarketPlayerPlatform)

_NOWHERE = "http://127.0.0.1:9"
_LOCAL = AddressPolicy(allow_private=True, allow_http=True)


class ServedPlatform(Generic[PlatformT]):
    """Serves a platform on loopback while a `with` block runs, on a database in a folder.

    It has secrets of its own, may call loopback addresses, and has no rate limits. Its marketplace
    is one that does not answer, so notifications stay on their way. overrides are settings
    (`name="..."`) in place of these. `credentials` are those that it admits its marketplace by.
    """

    def __init__(
        self, make: Callable[[PlatformSettings], PlatformT], folder: Path, **overrides: Any
    ) -> None:
        self._make = make
        self.credentials = Credentials(
            new_secret("fxk"), (new_signing_secret(), new_signing_secret())
        )
        settings: dict[str, Any] = {
            "database_url": f"sqlite:///{folder / 'platform.db'}",
            "inbound_api_key": SecretStr(self.credentials.api_key),
            "signing_secrets": tuple(map(SecretStr, self.credentials.signing_secrets)),
            "marketplace_url": _NOWHERE,
            "allow_private_addresses": True,
            "allow_http": True,
            "rate_limit_address": 0,
            "rate_limit_credential": 0,
            "rate_limit_failures": 0,
        }
        self._settings = PlatformSettings(**(settings | overrides))
        self._port = 0
        self._server: BackgroundServer | None = None
        self.url = ""

    def __enter__(self) -> "ServedPlatform[PlatformT]":
        """Serve the platform."""
        self.platform = self._make(self._settings)
        self._server = BackgroundServer(self.platform.app(), port=self._port)
        self.url = self._server.start()
        self._port = int(self.url.rpartition(":")[2])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        if self._server is not None:
            self._server.stop()

    def restart(self) -> None:
        """Stop the platform and serve another one at the same address, on the same database."""
        self.__exit__()
        self.__enter__()

    def tell(
        self, operation: str, role: PlatformRole, fields: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Have the marketplace's event told to the platform, and return the event's body.

        operation is the name in the EU-MP contract, such as `confirm_service_offer`. The event is
        that contract's example with a fresh id, happening now, of terms that are valid now, with
        these fields in place of its own. Raises RuntimeError, with the answer, unless the platform
        acknowledges it.
        """
        with self._marketplace() as marketplace:
            sample = marketplace.sample(marketplace.operation(operation))
            body = {**sample.body}
            if "terms" in body:
                start = (clock.now() - timedelta(days=1)).isoformat()
                body["terms"] = {**body["terms"], "validity": {"start": start}}
            body |= fields or {}
            path = {"platformRole": role.value}
            answer = marketplace.call(operation, sample, body=body, path=path)
        if answer.status != 200:
            raise RuntimeError(f"{answer}: {answer.body.decode(errors='replace')}")
        return body

    def conformance(self) -> Run:
        """Return what comes of every case of the EU-MP contract at the platform."""
        with self._marketplace() as marketplace:
            return run(marketplace, cases_of(marketplace.contract.name))

    @contextmanager
    def _marketplace(self) -> Iterator[Subject]:
        """Give the platform as the marketplace sees it, with the keys that are valid now."""
        target = Target(self.url, "eu-mp", self.credentials, _LOCAL)
        with opened(target, Contract.load("eu_mp"), self) as subject:
            yield subject
        self.credentials = subject.credentials


def failures(run: Run) -> str:
    """Return what a run found, in lines for the message of an assertion; empty without failures."""
    lines = []
    for result in run.results:
        if result.outcome is Outcome.FAILED:
            lines.append(f"{result.case.id} {result.case.title}")
            lines += [f"  - {one.detail} {one.advice or ''}".rstrip() for one in result.findings]
    return "\n".join(lines)
