"""Market documents in XML."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from mpp_sdk.metering.cim.documents import MarketDocument
from mpp_sdk.metering.cim.names import NAMESPACES, REPEATED
from mpp_sdk.metering.cim.reading import read_document
from mpp_sdk.metering.cim.tree import Node
from mpp_sdk.metering.cim.writing import Group, Leaf, write_document
from mpp_sdk.metering.model import plain
from mpp_sdk.metering.safe_xml import parse_xml_bytes

_SCHEMA_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"


def parse_xml(data: bytes) -> MarketDocument:
    """Return the market document that is written as XML, in UTF-8.

    Raises InvalidInput, with a pointer to the place, for anything that is not such a document.
    """
    root = parse_xml_bytes(data)
    name = etree.QName(root)
    namespace = NAMESPACES.get(name.localname)
    node = Node(name.localname)
    if namespace is None:
        node.fail("unsupported", f"{name.localname} is not one of {', '.join(NAMESPACES)}.")
    if name.namespace != namespace:
        node.fail("namespace", f"The namespace must be {namespace}.")
    for attribute, _ in root.items():
        if not str(attribute).startswith(_SCHEMA_INSTANCE):
            node.fail("unsupported", f"The attribute {attribute!s} is not known here.")
    _fill(node, root, f"{{{namespace}}}")
    return read_document(node)


def iter_xml(document: MarketDocument) -> Iterator[str]:
    """Yield the document as XML, piece by piece; the points are not held in memory as text."""
    root = write_document(document)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<{root.name} xmlns="{NAMESPACES[root.name]}">'
    yield from _write_fields(root)
    yield f"</{root.name}>\n"


def to_xml(document: MarketDocument) -> bytes:
    """Return the document as XML in UTF-8."""
    return "".join(iter_xml(document)).encode()


def _fill(node: Node, element: etree._Element, prefix: str) -> None:
    if len(element) == 0:
        node.value = element.text or ""
        return
    _check_space(node, element.text)
    cut = len(prefix)
    for child in element:
        _check_space(node, child.tail)
        tag = child.tag
        if not isinstance(tag, str) or not tag.startswith(prefix):
            node.fail("unsupported", "It has an element or entity of another namespace.")
        name = tag[cut:]
        known = () if node.children is None else node.children.get(name, ())
        label = f"{name}/{len(known)}" if name in REPEATED else name
        below = Node(label, node)
        for attribute, value in child.items():
            if attribute != "codingScheme":
                below.fail("unsupported", f"The attribute {attribute!s} is not known here.")
            below.scheme = str(value)
        _fill(below, child, prefix)
        node.add(name, below)


def _check_space(node: Node, text: str | None) -> None:
    if text is not None and not text.isspace():
        node.fail("type", "It must not mix text and elements.")


def _write_fields(group: Group) -> Iterator[str]:
    for field in group.fields:
        if isinstance(field, Leaf):
            yield _write_leaf(field)
        else:
            yield f"<{field.name}>"
            yield from _write_fields(field)
            yield f"</{field.name}>"


def _write_leaf(leaf: Leaf) -> str:
    name, value, scheme = leaf
    text = escape(value) if isinstance(value, str) else plain(value)
    attribute = "" if scheme is None else f" codingScheme={quoteattr(scheme)}"
    return f"<{name}{attribute}>{text}</{name}>"
