"""XML from others, read without anything that XML can do beyond elements and text."""

import re

from lxml import etree

from mpp_sdk.errors import InvalidInput

_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([^\"']*)[\"']")


def parse_xml_bytes(data: bytes) -> etree._Element:
    """Return the root element of an XML document in UTF-8, comments and instructions left out.

    Nothing is fetched or expanded: a document type or entity declaration is refused before the
    parser sees it, and the parser's own limits on depth and size stay on. Raises InvalidInput.
    """
    body = data.removeprefix(b"\xef\xbb\xbf")
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput.field(
            "", "encoding", f"The document is not UTF-8, at byte {error.start}."
        ) from error
    declared = _DECLARED.match(body)
    if declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        raise InvalidInput.field("", "encoding", "The document must be UTF-8 and say so.")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise InvalidInput.field(
            "", "noDocumentType", "Document type and entity declarations are refused."
        )
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever is declared: what was checked above is what is parsed
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidInput.field("", "xml", f"The document is not well-formed: {error}") from error
    return root
