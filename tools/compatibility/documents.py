"""Reading of bundled documents: references, pointers, and what of them is on the wire."""

from tools.compatibility.changes import Json

METHODS = ("get", "put", "post", "delete", "patch", "options", "head", "trace")

_WORDS = frozenset(
    {
        "contact",
        "deprecated",
        "description",
        "example",
        "examples",
        "externalDocs",
        "license",
        "summary",
        "tags",
        "title",
    }
)
# Below these, keys are names that the contract gives: a property may be called "description".
_NAMED = frozenset(
    {
        "callbacks",
        "content",
        "encoding",
        "headers",
        "mapping",
        "parameters",
        "paths",
        "properties",
        "requestBodies",
        "responses",
        "schemas",
        "securitySchemes",
        "variables",
    }
)
_VALUES = frozenset({"default", "enum"})
OPTIONAL = "x-optional"
"""The extension that lets a server leave an operation out; every other one is words."""


def resolve(document: Json, node: Json, place: str) -> tuple[Json, str]:
    """Return what a node refers to, and where that is; the node itself when it refers to nothing.

    Raises KeyError for a reference that leads nowhere, ValueError for one in a circle.
    """
    passed: set[str] = set()
    while isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
        if reference in passed:
            raise ValueError(f"{reference} refers to itself")
        passed.add(reference)
        place = reference
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
    return node, place


def below(place: str, *names: str | int) -> str:
    """Return the JSON pointer of something below a place."""
    parts = (str(name).replace("~", "~0").replace("/", "~1") for name in names)
    return "/".join((place, *parts))


def on_the_wire(document: Json) -> Json:
    """Return a document without its version and without what only people read."""
    stripped = _strip(document)
    stripped.pop("info", None)
    return stripped


def is_words(keyword: str) -> bool:
    """Return whether a keyword only tells people something."""
    return keyword in _WORDS or (keyword.startswith("x-") and keyword != OPTIONAL)


def _strip(node: Json) -> Json:
    if isinstance(node, list):
        return [_strip(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for keyword, value in node.items():
        if is_words(keyword):
            continue
        if keyword in _VALUES:
            kept[keyword] = value
        elif keyword == "scopes":
            kept[keyword] = sorted(value)  # their values are words
        elif keyword in _NAMED and isinstance(value, dict):
            kept[keyword] = {name: _strip(item) for name, item in value.items()}
        else:
            kept[keyword] = _strip(value)
    return kept
