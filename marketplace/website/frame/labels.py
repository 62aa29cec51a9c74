"""What people read for the codes of the contract. The one place where they are put into words."""

from enum import Enum

from flask_babel import lazy_gettext as _l

from marketplace.website.frame.rules import RULES

_LABELS = {
    # roles in the market
    "DSO": _l("Distribution system operator (DSO)"),
    "TSO": _l("Transmission system operator (TSO)"),
    "AGGREGATOR": _l("Aggregator"),
    "RETAILER": _l("Retailer"),
    "BRP": _l("Balance responsible party (BRP)"),
    "METERED_DATA_OPERATOR": _l("Metered data operator"),
    "ESCO": _l("Energy service company (ESCO)"),
    # categories
    "METERING_DATA": _l("Metering data"),
    "FLEXIBILITY_OFFERS": _l("Flex-offers"),
    "FLEXIBILITY_MARKET": _l("Flexibility market"),
    "FORECASTS": _l("Forecasts"),
    "GRID_DATA": _l("Grid data"),
    "TARIFFS": _l("Tariffs"),
    "ASSET_DATA": _l("Asset data"),
    # data standards
    "CIM_IEC_62325": "CIM, IEC 62325",
    "CIM_IEC_61968_9": "CIM, IEC 61968-9",
    "FLEX_OFFER": _l("Flex-offer"),
    "USEF": "USEF",
    "UFTP": "UFTP",
    "OPENADR": "OpenADR",
    "OTHER": _l("Other"),
    # price models
    "FREE": _l("Free of charge"),
    "FLAT_FEE": _l("Flat fee"),
    "PER_POD": _l("Per point of delivery"),
    "PER_DOCUMENT": _l("Per document"),
    "PER_KWH": _l("Per kWh"),
    # credentials
    "API_KEY": _l("API key"),
    "OAUTH2_CLIENT": _l("OAuth 2 client"),
    # what people may do
    "administrator": _l("Administrator"),
    "provider": _l("Provider"),
    "requester": _l("Requester"),
    "operator": _l("Operator"),
    # steps of the integration test
    "resolve": _l("Find the address"),
    "connect": _l("Connect"),
    "key accepted": _l("Your platform accepts the marketplace's key"),
    "test answered": _l("Your platform answers by the contract"),
    "wrong key refused": _l("Your platform refuses a wrong key"),
    **RULES,
    # events
    "service-offer.confirmed": _l("Service offer confirmed"),
    "service-offer.canceled": _l("Service offer canceled"),
    "service-offer.suspended": _l("Service offer suspended"),
    "service-offer.resumed": _l("Service offer resumed"),
    "points-of-delivery.requested": _l("Points of delivery requested"),
    # what the audit trail is about
    "MarketPlayer": _l("Company"),
    "ServiceVersion": _l("Service"),
    "ServiceRequest": _l("Request"),
    "Offer": _l("Offer"),
    "Subscription": _l("Subscription"),
    "Consent": _l("Consent"),
    "Activation": _l("Activation"),
    "PointOfDelivery": _l("Point of delivery"),
    "Delivery": _l("Delivery"),
    "Platform": _l("Platform"),
    "Credential": _l("Credential"),
    "Person": _l("Person"),
    # what was done
    "request": _l("requested"),
    "offer": _l("offered"),
    "counter": _l("other terms asked for"),
    "accept": _l("accepted"),
    "reject": _l("rejected"),
    "withdraw": _l("withdrawn"),
    "withdraw_offer": _l("offer withdrawn"),
    "supersede": _l("superseded"),
    "expire": _l("expired"),
    "confirm": _l("made"),
    "activate": _l("activated"),
    "suspend": _l("suspended"),
    "resume": _l("resumed"),
    "cancel": _l("canceled"),
    "reconstruct": _l("found again"),
    "draft": _l("drafted"),
    "edit": _l("edited"),
    "publish": _l("published"),
    "deprecate": _l("deprecated"),
    "delete": _l("deleted"),
    "register": _l("registered"),
    "reinstate": _l("reinstated"),
    "deregister": _l("deregistered"),
    "replay": _l("replayed"),
    "discard": _l("discarded"),
    "deliver": _l("delivered"),
    "give up": _l("given up"),
    "set": _l("stated"),
    "test": _l("tested"),
    "issue": _l("issued"),
    "refresh": _l("renewed"),
    "refresh-key": _l("key renewed"),
    "revoke": _l("revoked"),
    "sign-in": _l("signed in"),
    "sign-up": _l("signed up"),
    "invite": _l("invited"),
    "remove": _l("removed"),
    "change-roles": _l("roles changed"),
    "withdraw-invitation": _l("invitation taken back"),
    "lock": _l("locked for a while"),
    "link-identity": _l("account of the organisation linked"),
    "ask-for-reset": _l("new password asked for"),
    "reset-password": _l("new password set"),
    "change-password": _l("password changed"),
    "second-factor-on": _l("second factor switched on"),
    "second-factor-off": _l("second factor switched off"),
}

_EXPLANATIONS = {
    "MarketPlayerState.PENDING": _l("An operator has not approved this company yet."),
    "MarketPlayerState.ACTIVE": _l("Takes part in the market."),
    "MarketPlayerState.SUSPENDED": _l("An operator has suspended this company."),
    "MarketPlayerState.DEREGISTERED": _l("Has left the market."),
    "VersionState.DRAFT": _l("Only its provider sees it."),
    "VersionState.PUBLISHED": _l("Everybody finds it and may request it."),
    "VersionState.DEPRECATED": _l("It takes no new requests; its subscriptions go on."),
    "VersionState.WITHDRAWN": _l("It is not offered any more; its subscriptions go on."),
    "RequestState.REQUESTED": _l("The provider has to answer."),
    "RequestState.OFFERED": _l("The requester has to answer the offer."),
    "RequestState.CONFIRMED": _l("The offer was accepted; there is a subscription."),
    "RequestState.REJECTED": _l("One of the companies said no."),
    "RequestState.WITHDRAWN": _l("The requester took it back."),
    "RequestState.EXPIRED": _l("Nobody answered in time."),
    "SubscriptionState.PENDING": _l("Not both platforms have the details yet."),
    "SubscriptionState.ACTIVE": _l("Both platforms have the details; data may flow."),
    "SubscriptionState.SUSPENDED": _l("Data must not flow until it is resumed."),
    "SubscriptionState.CANCELED": _l("It was ended by a company or an operator."),
    "SubscriptionState.EXPIRED": _l("The agreed validity is over."),
    "OfferState.OPEN": _l("The requester can accept it."),
    "OfferState.SUPERSEDED": _l("A later revision or another wish has taken its place."),
    "OfferState.WITHDRAWN": _l("The provider took it back."),
    "OfferState.ACCEPTED": _l("It was agreed; there is a subscription."),
    "OfferState.REJECTED": _l("The requester said no."),
    "OfferState.EXPIRED": _l("Nobody accepted it in time."),
    "ConsentState.REQUESTED": _l("The customer has not answered yet."),
    "ConsentState.GRANTED": _l("The customer has agreed."),
    "ConsentState.DENIED": _l("The customer said no."),
    "ConsentState.TIMED_OUT": _l("The customer did not answer in time."),
    "ConsentState.WITHDRAWN": _l("The customer has taken the consent back."),
    "ConsentState.EXPIRED": _l("The period of the consent is over."),
    "ActivationState.REQUESTED": _l("The provider prepares the data exchange."),
    "ActivationState.ACTIVE": _l("Data flows for this point of delivery."),
    "ActivationState.SUSPENDED": _l("Data does not flow for now."),
    "ActivationState.ENDED": _l("Data does not flow any more."),
    "ServiceStatus.OPERATIONAL": _l("The service works."),
    "ServiceStatus.DEGRADED": _l("The service works in part."),
    "ServiceStatus.UNAVAILABLE": _l("The service does not work."),
    "Hold.PROVIDER": _l("Its provider has suspended it."),
    "Hold.OPERATOR": _l("The marketplace's operator has suspended it."),
    "Hold.PROVIDER_SUSPENDED": _l("The provider's company is suspended."),
    "Hold.REQUESTER_SUSPENDED": _l("The requester's company is suspended."),
}


def _codes(names: str) -> frozenset[str]:
    return frozenset(names.split())


_GOOD = _codes(
    "ACTIVE PUBLISHED CONFIRMED GRANTED DELIVERED PASSED OPERATIONAL ACCEPTED RUNNING CLOSED DONE "
    "RESTORED APPLIED"
)
_WAITING = _codes(
    "PENDING REQUESTED OFFERED OPEN QUEUED RETRYING RETRY DRAINING HALF_OPEN DRAFT DEGRADED"
)
_BAD = _codes("DEAD FAILED DENIED REJECTED UNAVAILABLE SUSPENDED TIMED_OUT OVERDUE PAUSED")


def label(value: object) -> str:
    """Return what people read for a code: a role, a category, a standard, a price model."""
    code = str(value.value if isinstance(value, Enum) else value)
    return str(_LABELS.get(code, code))


def explanation(value: object) -> str | None:
    """Return what a state means, in a sentence; None where nothing needs to be said."""
    if not isinstance(value, Enum):
        return None
    words = _EXPLANATIONS.get(f"{type(value).__name__}.{value.value}")
    return None if words is None else str(words)


def tone(code: str) -> str:
    """Return whether a state is `good`, `waiting`, `bad`, or over (`ended`)."""
    for name, codes in (("good", _GOOD), ("waiting", _WAITING), ("bad", _BAD)):
        if code in codes:
            return name
    return "ended"
