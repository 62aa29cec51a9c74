import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from marketplace.catalogue import repository
from marketplace.catalogue.domain import VersionState
from marketplace.catalogue.repository import ServiceFilter
from marketplace.catalogue.tables import Service, ServiceVersion
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.clock import now
from mpp_sdk.contracts.marketplace.models import ServiceDescription
from mpp_sdk.errors import InvalidInput
from mpp_sdk.ids import new_id

PROVIDER = new_id()
SOMEBODY = new_id()


def description(**changes: object) -> ServiceDescription:
    return ServiceDescription.model_validate(
        {
            "name": "Validated meter data",
            "summary": "Quarter-hourly readings",
            "category": "METERING_DATA",
            "providerRole": "DSO",
            "countries": ["ES"],
            "areas": ["10YES-REE------0"],
            "dataStandard": "CIM_IEC_62325",
            "consentRequired": True,
            "price": {"model": "FREE"},
            "terms": "By noon.",
            "interimStatusInterval": "PT1H",
            "integration": {"contract": "metering", "contractVersion": "1.0.0"},
            **changes,
        }
    )


def add(session: Session, **changes: object) -> ServiceVersion:
    service = Service(provider_id=PROVIDER, current_number=1, open_number=1, last_number=1)
    session.add(service)
    session.flush()
    row = ServiceVersion(
        service_id=service.id,
        number=1,
        provider_id=PROVIDER,
        state=VersionState.PUBLISHED,
        created_at=now(),
        published_at=now(),
        updated_at=now(),
    )
    repository.describe(session, row, description(**changes))
    session.add(row)
    session.flush()
    return row


def names(session: Session, text: str | None, limit: int = 50) -> list[str]:
    """Return the names found on all pages together."""
    found: list[str] = []
    cursor = None
    while True:
        page = repository.find(session, ServiceFilter(SOMEBODY, text), limit, cursor)
        found += [row.description.name for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def test_words_are_found_by_their_beginning_in_every_text(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        add(session, name="Flexibilité agrégée")
        add(session, name="B", summary="Forecasts of photovoltaic feed-in")
        add(session, name="C", details="On EN-50160 voltage events")
        add(session, name="D", terms="Under Swiss law")
        assert names(session, "flexibilite AGREG") == ["Flexibilité agrégée"]
        assert names(session, "photo feed") == ["B"]
        assert names(session, "50160") == ["C"]
        assert names(session, "swiss") == ["D"]
        assert names(session, "oltage") == []
        assert names(session, "photo swiss") == []


def test_the_name_counts_more_than_the_terms(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        add(session, name="Tariffs", terms="We also sell curtailment")
        add(session, name="Curtailment", terms="Nothing else")
        add(session, name="Losses", summary="Without curtailment")
        assert names(session, "curtail") == ["Curtailment", "Losses", "Tariffs"]


def test_best_matches_page_by_page_are_the_same_list(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        for number in range(23):
            add(session, name=f"Load {number}", terms="x " + "load " * (number % 5))
        whole = names(session, "load")
        assert len(set(whole)) == 23
        assert names(session, "load", limit=4) == whole


def test_newest_first_page_by_page(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        for number in range(11):
            add(session, name=f"S{number}")
        assert names(session, None, limit=3) == [f"S{n}" for n in reversed(range(11))]


def test_a_cursor_belongs_to_its_search(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        for _ in range(3):
            add(session)
        page = repository.find(session, ServiceFilter(SOMEBODY, "meter"), 1, None)
        with pytest.raises(InvalidInput):
            repository.find(session, ServiceFilter(SOMEBODY, "data"), 1, page.next_cursor)


def test_an_edited_text_is_found_by_its_new_words_only(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        row = add(session, name="Voltage")
        repository.describe(session, row, description(name="Frequency"))
        session.flush()
        assert names(session, "voltage") == []
        assert names(session, "frequency") == ["Frequency"]


def test_a_deleted_version_leaves_no_words(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        row = add(session, name="Voltage")
        repository.delete(session, row)
        assert names(session, "voltage") == []
        add(session, name="Frequency")  # may take over the freed number of the index
        assert names(session, "voltage") == []


def test_a_text_of_nothing_but_signs_finds_nothing(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        add(session)
        assert names(session, "!!! ... ") == []


@pytest.mark.parametrize(
    "hostile", ['"', "'", "meter'); --", "a* OR b", "NEAR(", "name:meter", "&|!", "\\", ":*", "\0"]
)
def test_signs_that_mean_something_to_a_database_mean_nothing(engine: Engine, hostile: str) -> None:
    with unit_of_work(engine) as session:
        add(session)
        names(session, hostile)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(min_size=1, max_size=80), name=st.text(min_size=1, max_size=80))
def test_any_text_can_be_searched_for_and_in(engine: Engine, text: str, name: str) -> None:
    with unit_of_work(engine) as session:
        row = add(session)
        repository._index(session, row, description().model_copy(update={"name": name}))
        session.flush()
        names(session, text)
        session.rollback()


def test_a_long_text_is_searched_to_its_end(engine: Engine) -> None:
    with unit_of_work(engine) as session:
        different = " ".join(f"w{number}" for number in range(3300))
        add(session, name="Long", details=f"{different} last", terms="y " * 9990)
        add(session, name="Repeated", details="again " * 3000 + "last")
        assert set(names(session, "last")) == {"Long", "Repeated"}
        assert names(session, "w3299") == ["Long"]


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ({"category": "METERING_DATA"}, {"one"}),
        ({"country": "FR"}, {"two"}),
        ({"area": "10YFR-RTE------C"}, {"two"}),
        ({"provider_role": "TSO"}, {"two"}),
        ({"data_standard": "FLEX_OFFER"}, {"two"}),
        ({"consent_required": False}, {"two"}),
        ({"state": VersionState.DEPRECATED}, set()),
        ({"provider_id": PROVIDER}, {"one", "two"}),
        ({"provider_id": SOMEBODY}, set()),
        ({"country": "ES", "consent_required": False}, {"two"}),
    ],
)
def test_filters(engine: Engine, filter_: dict[str, object], found: set[str]) -> None:
    with unit_of_work(engine) as session:
        add(session, name="one")
        add(
            session,
            name="two",
            category="FLEXIBILITY_OFFERS",
            countries=["FR", "ES"],
            areas=["10YFR-RTE------C"],
            providerRole="TSO",
            dataStandard="FLEX_OFFER",
            consentRequired=False,
        )
        wanted = ServiceFilter(SOMEBODY, **filter_)  # type: ignore[arg-type] # parametrised
        page = repository.find(session, wanted, 50, None)
        assert {row.description.name for row in page.items} == found
