"""What the example platform in Java has fetched, read as the SDK for Python reads it."""

from collections.abc import Iterable
from pathlib import Path

from mpp_sdk.metering.cim import NotifyValidatedMeasureData, Rendering, parse
from mpp_sdk.metering.client import series_of
from mpp_sdk.metering.store import MeteringStore
from tests.sdk.java.platform import JavaPlatform


def documents(platform: JavaPlatform, pod_id: str) -> dict[Path, int]:
    """Return the documents of a point of delivery, each with when it was written."""
    found = (platform.documents / pod_id).glob("*.json")
    return {path: path.stat().st_mtime_ns for path in sorted(found)}


def take_in(store: MeteringStore, paths: Iterable[Path]) -> None:
    """Add the readings of documents to a store."""
    for path in paths:
        document = parse(path.read_bytes(), Rendering.JSON)
        assert isinstance(document, NotifyValidatedMeasureData)
        store.upsert(series_of(document), validated_at=document.header.created_at)
