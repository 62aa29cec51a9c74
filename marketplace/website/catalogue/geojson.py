"""Areas as people have them: GeoJSON of a map's drawing tool, of which the polygons count."""

from collections.abc import Iterator
from typing import Any

from mpp_sdk.errors import InvalidInput
from mpp_sdk.web.strict_json import read_json

_POINTER = "/area"
_DEEPEST = 4  # a collection in a collection in a feature...


def area_of(text: str) -> dict[str, Any]:
    """Return the polygons of a GeoJSON text as one Polygon or MultiPolygon.

    Features and collections are opened; whether the polygons are right is for the catalogue to say.
    Raises InvalidInput, naming the field, for what is no GeoJSON and has no polygon.
    """
    try:
        value = read_json(text.encode())
    except InvalidInput as error:
        raise InvalidInput.field(
            _POINTER,
            "json",
            "This is not JSON. Paste GeoJSON, such as a map's drawing tool exports.",
        ) from error
    if _is(value, "Polygon") or _is(value, "MultiPolygon"):
        return {key: value[key] for key in ("type", "coordinates") if key in value}
    polygons = list(_polygons(value, _DEEPEST))
    if not polygons:
        raise InvalidInput.field(
            _POINTER,
            "geojson",
            "This is no GeoJSON with a Polygon or a MultiPolygon in it. Points and lines are no "
            "areas.",
        )
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _polygons(value: Any, depth: int) -> Iterator[Any]:
    if depth == 0:
        return
    if _is(value, "Feature"):
        yield from _polygons(value.get("geometry"), depth - 1)
    elif _is(value, "FeatureCollection") or _is(value, "GeometryCollection"):
        held = value.get("features" if _is(value, "FeatureCollection") else "geometries")
        for one in held if isinstance(held, list) else ():
            yield from _polygons(one, depth - 1)
    elif _is(value, "Polygon"):
        yield value.get("coordinates")
    elif _is(value, "MultiPolygon"):
        held = value.get("coordinates")
        yield from held if isinstance(held, list) else ()


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, dict) and value.get("type") == kind
