"""Flexibility contracts and bills of subscriptions, and how both are told."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, select

from mpp_sdk.contracts.flexoffer import models
from mpp_sdk.errors import InvalidInput, NotFound
from mpp_sdk.flexoffer import billing
from mpp_sdk.flexoffer.billing import MeteredEnergy, Operation
from mpp_sdk.flexoffer.documents import format_moment
from mpp_sdk.flexoffer.exchange.store import ReceivedFlexOffer
from mpp_sdk.flexoffer.exchange.tables import CONTRACTS
from mpp_sdk.flexoffer.terms import DelegatedTerms, DirectTerms, FlexibilityContract
from mpp_sdk.transactions import Transactions


class Contracts:
    """The flexibility contracts of subscriptions, one at a time for each."""

    def __init__(self, transactions: Transactions, tolerance: float) -> None:
        self._transactions = transactions
        self._tolerance = tolerance

    def set(self, subscription_id: UUID, contract: FlexibilityContract, now: datetime) -> None:
        """Have a contract hold for a subscription from now on, in the place of what held."""
        document = _document(contract, self._tolerance, now)
        row = {
            "subscription_id": subscription_id,
            "document": document.model_dump(mode="json", by_alias=True, exclude_none=True),
            "updated_at": now,
        }
        with self._transactions() as session:
            session.execute(delete(CONTRACTS).where(CONTRACTS.c.subscription_id == subscription_id))
            session.execute(insert(CONTRACTS), [row])

    def document(self, subscription_id: UUID) -> models.FlexibilityContract:
        """Return a contract as it is told. Raises NotFound when there is none."""
        query = select(CONTRACTS.c.document).where(CONTRACTS.c.subscription_id == subscription_id)
        with self._transactions.reading() as session:
            found = session.execute(query).scalar_one_or_none()
        if found is None:
            raise NotFound("There is no flexibility contract for this subscription.")
        return models.FlexibilityContract.model_validate(found)

    def get(self, subscription_id: UUID) -> FlexibilityContract:
        """Return the contract of a subscription. Raises NotFound when there is none."""
        return contract_of(self.document(subscription_id))


def contract_of(document: models.FlexibilityContract) -> FlexibilityContract:
    """Return the contract that a document tells. Raises InvalidInput."""
    rewards = document.rewards
    try:
        zone = ZoneInfo(document.zone)
    except (ValueError, LookupError, OSError) as error:
        raise InvalidInput.field("/zone", "timeZone", "There is no such time zone.") from error
    return FlexibilityContract(
        id=document.id,
        receiver=document.receiver,
        offered_by=document.offered_by,
        currency=document.currency,
        zone=zone,
        valid_from=document.period.start,
        valid_until=document.period.end,
        terms=DirectTerms()
        if rewards is None
        else DelegatedTerms(
            per_hour=Decimal(rewards.per_hour),
            per_kwh=Decimal(rewards.per_kwh),
            activation=Decimal(rewards.activation),
            monthly_guarantee=Decimal(rewards.monthly_guarantee),
        ),
    )


def bill(
    contract: FlexibilityContract,
    received: Iterable[ReceivedFlexOffer],
    measured: Mapping[UUID, Mapping[datetime, int]],
    start: datetime,
    end: datetime,
) -> billing.Bill:
    """Return the bill of a period for the flex-offers of a subscription that were accepted.

    Whoever is named in them, the other party of the contract offered them. Where the contract pays
    what they ask, it cannot for those that ask in another currency: they are left out. Raises
    InvalidInput for a period that the contract does not cover.
    """
    direct = isinstance(contract.terms, DirectTerms)
    operations = [
        _operation(contract, one, measured.get(one.id, {}))
        for one in received
        if one.accepted_at is not None
        and not (direct and one.offer.currency not in (None, contract.currency))
    ]
    return billing.bill(contract, operations, start, end)


def bill_document(found: billing.Bill) -> models.Bill:
    """Return a bill as it is told."""
    return models.Bill(
        period=models.Period(start=found.start, end=found.end),
        currency=found.contract.currency,
        lines=[
            models.BillLine(
                kind=models.BillLineKind(line.kind.value),
                flex_offer_id=line.flexoffer_id,
                start=line.start,
                unit=models.BillingUnit(line.unit.value),
                predicted=amount_text(line.predicted),
                factual=None if line.factual is None else amount_text(line.factual),
                price=amount_text(line.price),
                amount=amount_text(line.amount),
                provisional=line.is_provisional,
                readings=list(line.readings) or None,
            )
            for line in found.lines
        ],
        activated_predicted=amount_text(found.activated_predicted),
        activated_factual=amount_text(found.activated_factual),
        total=amount_text(found.total),
        payable=amount_text(found.payable),
        carried=amount_text(found.carried),
        provisional=any(line.is_provisional for line in found.lines),
    )


def _document(
    contract: FlexibilityContract, tolerance: float, now: datetime
) -> models.FlexibilityContract:
    terms, rewards = contract.terms, None
    if isinstance(terms, DelegatedTerms):
        rewards = models.FlexibilityRewards(
            per_hour=amount_text(terms.per_hour),
            per_kwh=amount_text(terms.per_kwh),
            activation=amount_text(terms.activation),
            monthly_guarantee=amount_text(terms.monthly_guarantee),
        )
    mode = models.FlexibilityContractMode
    return models.FlexibilityContract(
        id=contract.id,
        mode=mode.DIRECT if rewards is None else mode.DELEGATED,
        receiver=contract.receiver,
        offered_by=contract.offered_by,
        currency=contract.currency,
        zone=contract.zone.key,
        period=models.Period(start=contract.valid_from, end=contract.valid_until),
        rewards=rewards,
        delivery_tolerance=tolerance,
        updated_at=now,
    )


def _operation(
    contract: FlexibilityContract, received: ReceivedFlexOffer, measured: Mapping[datetime, int]
) -> Operation:
    return Operation(
        offer=replace(received.offer, offered_by=contract.offered_by),
        accepted_at=received.used_at,
        schedule=received.schedule,
        measured={
            moment: MeteredEnergy(energy, f"{received.id}/{format_moment(moment)}")
            for moment, energy in measured.items()
        },
    )


def amount_text(amount: Decimal) -> str:
    """Return an amount without an exponent and without zeros at its end."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
