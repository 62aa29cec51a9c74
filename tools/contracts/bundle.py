"""Turns a contract that refers to other files into one document that stands alone."""

from pathlib import Path
from typing import Any

import yaml

Json = Any
"""A value of a parsed document: dict, list, str, int, float, bool or None."""


class BundleError(Exception):
    """A contract cannot be bundled."""


class _Loader(yaml.SafeLoader):
    """Reads YAML as JSON would: dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _no_duplicates(loader: _Loader, node: yaml.MappingNode) -> dict[str, Json]:
    mapping: dict[str, Json] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in mapping:
            raise BundleError(f"{key_node.start_mark}: {key!r} is there twice")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_constructor("tag:yaml.org,2002:map", _no_duplicates)


def load(path: Path) -> dict[str, Json]:
    """Return the parsed contract. Raises BundleError for a key that is there twice."""
    with path.open(encoding="utf-8") as file:
        document = yaml.load(file, _Loader)  # noqa: S506 (a SafeLoader, made stricter)
    if not isinstance(document, dict):
        raise BundleError(f"{path.name} is not a mapping")
    return document


def bundle(path: Path) -> dict[str, Json]:
    """Return the contract with every reference local and with only the components it refers to.

    The components are sorted by name, so that the result does not depend on the order of use.
    """
    return _Bundler(path).run()


class _Bundler:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, dict[str, Json]] = {path.name: load(path)}
        self._origin: dict[tuple[str, str], str] = {}
        self._components: dict[tuple[str, str], Json] = {}

    def run(self) -> dict[str, Json]:
        """Return the bundled document."""
        source = self._files[self._path.name]
        document = {
            key: self._localise(value, self._path.name)
            for key, value in source.items()
            if key != "components"
        }
        for name in source.get("components", {}).get("securitySchemes", {}):
            self._take("securitySchemes", name, self._path.name)
        components: dict[str, dict[str, Json]] = {}
        for kind, name in sorted(self._components):
            components.setdefault(kind, {})[name] = self._components[kind, name]
        document["components"] = components
        return document

    def _localise(self, node: Json, file: str) -> Json:
        if isinstance(node, list):
            return [self._localise(item, file) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {key: self._localise(value, file) for key, value in node.items()}
        target, _, pointer = reference.partition("#")
        parts = pointer.split("/")
        if len(parts) != 4 or parts[:2] != ["", "components"]:
            raise BundleError(f"{file}: {reference} does not refer to a component")
        kind, name = self._take(parts[2], parts[3], target or file)
        return {"$ref": f"#/components/{kind}/{name}"}

    def _take(self, kind: str, name: str, file: str) -> tuple[str, str]:
        """Take over a component, following references that only pass on to another one."""
        node = self._component(kind, name, file)
        while isinstance(node, dict) and set(node) == {"$ref"}:
            target, _, pointer = str(node["$ref"]).partition("#")
            _, _, kind, name = pointer.split("/")
            file = target or file
            node = self._component(kind, name, file)
        known = self._origin.get((kind, name))
        if known is None:
            self._origin[kind, name] = file
            self._components[kind, name] = None  # a reference back to it finds it taken
            self._components[kind, name] = self._localise(node, file)
        elif known != file:
            raise BundleError(f"{kind}/{name} is defined in both {known} and {file}")
        return kind, name

    def _component(self, kind: str, name: str, file: str) -> Json:
        if file not in self._files:
            self._files[file] = load(self._path.with_name(file))
        try:
            return self._files[file]["components"][kind][name]
        except KeyError:
            raise BundleError(f"{file} has no components/{kind}/{name}") from None
