"""What is missing before a company can take part in the market."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for
from flask_babel import gettext as _

from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerState
from marketplace.identity.service import PlatformState
from marketplace.website.frame.visitor import require_visitor
from mpp_sdk.clock import now

_MOST_CREDENTIALS = 200


@dataclass(frozen=True)
class Step:
    """Something that a company does before it takes part, and where; url is None for others."""

    title: str
    words: str
    done: bool
    url: str | None


@dataclass(frozen=True)
class Checklist:
    """Everything that a company does before it takes part, in the order in which it is done."""

    steps: Sequence[Step]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return all(step.done for step in self.steps)


def checklist() -> Checklist:
    """Return what the visitor's company has done and has not. It costs at most six queries."""
    someone = require_visitor()
    player_id, state = someone.market_player_id, someone.player_state
    if player_id is None:
        return Checklist([])
    stated = identity.platform_base_url(player_id) is not None
    platform = identity.read_platform(player_id) if stated else None
    return Checklist(
        [
            Step(_("State what your company does"), "", True, url_for("company.statement")),
            Step(
                _("State where your platform is"),
                _("Its address, and the key that it gives to the marketplace."),
                stated,
                url_for("company.platform"),
            ),
            Step(
                _("Issue a credential for your platform"),
                _("The API key or OAuth 2 client by which it calls the marketplace."),
                _has_credential(),
                url_for("company.credentials"),
            ),
            Step(
                _("Pass the integration test"),
                _tested(platform),
                is_proven(platform),
                url_for("company.platform"),
            ),
            Step(
                _("Be approved by an operator"),
                _("An operator of the marketplace looks at your statement. You need do nothing."),
                state is not MarketPlayerState.PENDING,
                None,
            ),
        ]
    )


def is_proven(platform: PlatformState | None) -> bool:
    """Return whether the last test passed, and nothing was changed since."""
    return (
        platform is not None
        and platform.last_test is not None
        and platform.last_test.passed
        and not is_outdated(platform)
    )


def is_outdated(platform: PlatformState) -> bool:
    """Return whether the settings were changed after the last test."""
    test = platform.last_test
    return test is not None and test.started_at < platform.platform.updated_at


def _tested(platform: PlatformState | None) -> str:
    if platform is None or platform.last_test is None:
        return str(_("The marketplace calls your platform and tells what came of it."))
    if is_outdated(platform):
        return str(_("The settings were changed after the last test: test again."))
    return str(_("The last test failed; its page says what to do."))


def _has_credential() -> bool:
    player_id = require_visitor().market_player_id
    if player_id is None:
        return False
    moment = now()
    page = identity.list_credentials(player_id, None, _MOST_CREDENTIALS, None)
    return any(
        one.credential.revoked_at is None and (one.valid_until is None or one.valid_until > moment)
        for one in page.items
    )
