"""Services in the catalogue, each with its versions, countries and texts."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from benchmarks.seeding.chance import Chance, Uneven
from benchmarks.seeding.companies import Company
from benchmarks.seeding.loading import Loader, Value
from benchmarks.seeding.trail import Trail
from benchmarks.seeding.words import COUNTRIES, KINDS, PLACES, SENTENCES
from marketplace.catalogue.domain import VersionState, current_version, fold
from mpp_sdk.contracts.marketplace.models import DataStandard, PriceModel, ServiceCategory

_CATEGORIES = list(ServiceCategory)
_STANDARDS = list(DataStandard)
_PRICES = list(PriceModel)
_YEARS = timedelta(days=3 * 365)


@dataclass(frozen=True)
class Service:
    """A service, with what a subscription keeps of the version that it is to."""

    id: UUID
    number: int
    name: str
    provider: Company
    category: ServiceCategory
    standard: DataStandard
    consent_required: bool
    price: str
    terms: str
    interval: str
    subscribable: bool


def add_services(
    loader: Loader, chance: Chance, trail: Trail, count: int, providers: list[Company]
) -> list[Service]:
    """Add so many services and return them; a few providers have most of them."""
    uneven = Uneven(providers, 0.8)
    texts = _Texts(loader)
    return [_add(loader, chance, trail, texts, uneven.draw(chance)) for _ in range(count)]


class _Texts:
    """Writes the full text of versions, in whichever way the database wants it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._count = 0

    def add(self, version: UUID, described: dict[str, Any]) -> None:
        self._count += 1
        parts = [fold(described[name]) for name in ("name", "summary", "details", "terms")]
        if self._loader.has_full_text_apart:
            names = ("name", "summary", "details", "terms")
            joined: dict[str, Value] = {
                name: " ".join(part) for name, part in zip(names, parts, strict=True)
            }
            self._loader.add("fts_service", rowid=self._count, **joined)
            self._loader.add("service_search", version_id=version)
        else:
            self._loader.add("service_search", version_id=version, document=_tsvector(parts))


def _tsvector(parts: list[list[str]]) -> str:
    positions: dict[str, list[str]] = {}
    place = 0
    for label, words in zip("ABCD", parts, strict=True):
        for word in words:
            place += 1
            positions.setdefault(word, []).append(f"{place}{label}")
    return " ".join(f"'{word}':{','.join(found)}" for word, found in positions.items())


def _add(loader: Loader, chance: Chance, trail: Trail, texts: _Texts, provider: Company) -> Service:
    created = chance.after(provider.created_at, _YEARS)
    service_id = chance.id_at(created)
    described = _description(chance, provider)
    versions = chance.choices((1, 2, 3, 4), (50, 30, 15, 5))[0]
    last = chance.choices(list(VersionState), (5, 85, 5, 5))[0]
    states: dict[int, VersionState] = {}
    for number in range(1, versions + 1):
        older = VersionState.DEPRECATED if chance.happens(0.5) else VersionState.WITHDRAWN
        states[number] = last if number == versions else older
        at = chance.after(created, _YEARS / 4) if number > 1 else created
        version = chance.id_at(at)
        _add_version(loader, version, service_id, number, states[number], at, provider, described)
        texts.add(version, described)
        if chance.happens(0.2):
            _add_document(loader, version, described["name"], at)
        trail.note(
            "ServiceVersion", version, "draft", at, actor=provider.administrator,
            after="DRAFT", provider=provider.id,
        )  # fmt: skip
        if states[number] is not VersionState.DRAFT:
            trail.note(
                "ServiceVersion", version, "publish", at, actor=provider.administrator,
                before="DRAFT", after="PUBLISHED", provider=provider.id,
            )  # fmt: skip
    loader.add(
        "service",
        id=service_id,
        provider_id=provider.id,
        current_number=current_version(states, with_drafts=True),
        open_number=current_version(states, with_drafts=False),
        last_number=versions,
        version=versions,
    )
    return Service(
        id=service_id,
        number=versions,
        name=described["name"],
        provider=provider,
        category=ServiceCategory(described["category"]),
        standard=DataStandard(described["dataStandard"]),
        consent_required=described["consentRequired"],
        price=json.dumps(described["price"]),
        terms=described["terms"],
        interval=described["interimStatusInterval"],
        subscribable=last in (VersionState.PUBLISHED, VersionState.DEPRECATED),
    )


def _add_version(
    loader: Loader,
    version: UUID,
    service: UUID,
    number: int,
    state: VersionState,
    at: datetime,
    provider: Company,
    described: dict[str, Any],
) -> None:
    loader.add(
        "service_version",
        id=version,
        service_id=service,
        number=number,
        provider_id=provider.id,
        state=state,
        state_reason="A newer one was published." if state is VersionState.DEPRECATED else None,
        description=json.dumps(described),
        name_key=" ".join(fold(described["name"])),
        category=described["category"],
        provider_role=described["providerRole"],
        data_standard=described["dataStandard"],
        consent_required=described["consentRequired"],
        created_at=at,
        published_at=None if state is VersionState.DRAFT else at,
        updated_at=at,
        version=2,
    )
    for country in described["countries"]:
        loader.add("service_country", version_id=version, country=country)


def _add_document(loader: Loader, version: UUID, name: str, at: datetime) -> None:
    """Add the provider's own OpenAPI document of a version."""
    document = json.dumps(
        {
            "openapi": "3.0.3",
            "info": {"title": name, "version": "1.0.0"},
            "paths": {
                f"/readings/{number}": {"get": {"responses": {"200": {"description": "Readings"}}}}
                for number in range(20)
            },
        }
    )
    loader.add(
        "service_api_document",
        version_id=version,
        format="JSON",
        text=document,
        document=document,
        title=name,
        openapi="3.0.3",
        sha256=sha256(document.encode()).hexdigest(),
        updated_at=at,
    )


def _description(chance: Chance, provider: Company) -> dict[str, Any]:
    """Return what a provider states of a service, as the contract has it."""
    place, kind = chance.choice(PLACES), chance.choice(KINDS)
    model = chance.choice(_PRICES)
    price: dict[str, Any] = {"model": model.value}
    if model is not PriceModel.FREE:
        price |= {"amount": f"{chance.random() * 100:.2f}", "currency": "EUR", "interval": "P30D"}
    return {
        "name": f"{kind} of {place}",
        "summary": chance.choice(SENTENCES),
        "details": f"# {kind}\n\n" + "\n".join(f"- {one}" for one in chance.sample(SENTENCES, 6)),
        "category": chance.choices(_CATEGORIES, range(len(_CATEGORIES), 0, -1))[0].value,
        "providerRole": provider.roles[0].value,
        "countries": chance.sample(COUNTRIES, chance.randint(1, 4)),
        "dataStandard": chance.choices(_STANDARDS, range(len(_STANDARDS), 0, -1))[0].value,
        "resolution": "PT15M",
        "consentRequired": chance.happens(0.5),
        "price": price,
        "terms": "\n\n".join(chance.sample(SENTENCES, 4)),
        "interimStatusInterval": chance.choice(("PT1H", "PT6H", "P1D")),
        "integration": {"contract": "metering", "contractVersion": "1.0.0"},
    }
