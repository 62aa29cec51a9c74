"""What a company states about itself, between the form, the contract and the service."""

from flask_babel import lazy_gettext as _l

from marketplace.identity.domain import MarketPlayerRole
from marketplace.identity.service import Statement
from mpp_sdk.contracts.marketplace.models import MarketPlayerDraft

MARKET_ROLES = {
    MarketPlayerRole.DSO: _l("runs a local network and reads meters, or buys flexibility for it"),
    MarketPlayerRole.TSO: _l("runs the transmission grid and balances it"),
    MarketPlayerRole.AGGREGATOR: _l("pools the flexibility of many customers"),
    MarketPlayerRole.RETAILER: _l("sells energy to customers"),
    MarketPlayerRole.BRP: _l("answers for the balance of a portfolio"),
    MarketPlayerRole.METERED_DATA_OPERATOR: _l("collects, validates and hands out meter data"),
    MarketPlayerRole.ESCO: _l("advises customers on energy and builds services on their data"),
}
"""What each role in the market is about, for those who choose theirs."""


def statement_of(draft: MarketPlayerDraft) -> Statement:
    """Return a company's statement as the service takes it."""
    return Statement(
        name=draft.name,
        roles=frozenset(MarketPlayerRole(role) for role in draft.roles),
        country=draft.country,
        contact_email=draft.contact_email,
        eic_code=draft.eic_code,
        website=draft.website,
    )
