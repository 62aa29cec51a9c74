from typing import Any
from uuid import UUID

import pytest

from marketplace.catalogue import service
from marketplace.catalogue.area import check_area
from marketplace.catalogue.repository import ServiceFilter
from mpp_sdk.contracts.marketplace.models import Area
from mpp_sdk.errors import InvalidInput
from tests.unit.marketplace.market import Company, Market, description

RING = [[-0.9, 38.2], [-0.7, 38.2], [-0.7, 38.3], [-0.9, 38.2]]
POLYGON = {"type": "Polygon", "coordinates": [RING]}
MULTI = {"type": "MultiPolygon", "coordinates": [[RING, RING], [RING]]}


def area(**changes: Any) -> Area:
    return Area.model_validate({**POLYGON, **changes})


@pytest.mark.parametrize("geometry", [POLYGON, MULTI])
def test_closed_rings_of_positions_are_an_area(geometry: dict[str, Any]) -> None:
    check_area(Area.model_validate(geometry))


@pytest.mark.parametrize(
    ("coordinates", "pointer", "rule"),
    [
        ([RING[:3]], "/area/coordinates/0", "ring"),
        ([[*RING[:3], [0, 0]]], "/area/coordinates/0/3", "closedRing"),
        ([RING, [[0], *RING]], "/area/coordinates/1/0", "position"),
        ([[[0, 0, 0], *RING]], "/area/coordinates/0/0", "position"),
        ([[["0", 0], *RING]], "/area/coordinates/0/0/0", "longitude"),
        ([[[True, 0], *RING]], "/area/coordinates/0/0/0", "longitude"),
        ([[[180.1, 0], *RING]], "/area/coordinates/0/0/0", "longitude"),
        ([[[0, -90.1], *RING]], "/area/coordinates/0/0/1", "latitude"),
        ([[[0, None], *RING]], "/area/coordinates/0/0/1", "latitude"),
        ([RING, [1, 2, 3, 4]], "/area/coordinates/1/0", "position"),
        ([[RING[0]] * 2001], "/area/coordinates", "mostPositions"),
        ([[]], "/area/coordinates/0", "ring"),
    ],
)
def test_what_is_none_is_refused_where_it_is_wrong(
    coordinates: list[Any], pointer: str, rule: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_area(area(coordinates=coordinates))
    assert (refused.value.errors[0].pointer, refused.value.errors[0].rule) == (pointer, rule)


@pytest.mark.parametrize(
    ("coordinates", "pointer", "rule"),
    [
        ([[]], "/area/coordinates/0", "ring"),
        ([[RING], [[1, 2]]], "/area/coordinates/1/0", "ring"),
        ([[1]], "/area/coordinates/0/0", "ring"),
        ([[RING], [[*RING[:3], [0, 0]]]], "/area/coordinates/1/0/3", "closedRing"),
        ([[[RING[0]] * 1001], [[RING[0]] * 1001]], "/area/coordinates", "mostPositions"),
    ],
)
def test_each_polygon_of_several_is_looked_at(
    coordinates: list[Any], pointer: str, rule: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_area(area(type="MultiPolygon", coordinates=coordinates))
    assert (refused.value.errors[0].pointer, refused.value.errors[0].rule) == (pointer, rule)


def test_at_most_twenty_errors_are_named() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_area(area(coordinates=[[[200, 0]] * 500]))
    assert len(refused.value.errors) == 20


def test_a_version_is_read_with_its_area_and_listed_without(
    market: Market, provider: Company
) -> None:
    service_id: UUID = market.draft(provider, area=MULTI)

    def read() -> dict[str, Any] | None:
        found = service.read_version(service_id, 1).description.area
        return None if found is None else found.model_dump(mode="json")

    assert market.call(provider, read) == MULTI
    listed = market.call(
        provider,
        lambda: service.list_services(ServiceFilter(provider.id), 9, None).items[0].description,
    )
    assert listed.area is None
    assert listed.name == "Validated meter data"


def test_an_edit_changes_the_area_and_takes_it_away(market: Market, provider: Company) -> None:
    service_id = market.draft(provider)
    seen = []
    for changes in ({"area": POLYGON}, {"area": MULTI}, {}):
        market.call(provider, service.edit_version, service_id, 1, description(**changes), "*")
        found = market.call(provider, lambda: service.read_version(service_id, 1).description.area)
        seen.append(None if found is None else found.type.value)
    assert seen == ["Polygon", "MultiPolygon", None]
    wrong = description(area={"type": "Polygon", "coordinates": [[[0, 0]]]})
    with pytest.raises(InvalidInput, match="at least four"):
        market.call(provider, service.edit_version, service_id, 1, wrong, "*")
