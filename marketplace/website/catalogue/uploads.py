"""Texts that people type, paste, or choose as a file: the file goes before what is typed."""

from dataclasses import replace

from flask import request

from marketplace.website.frame.forms import Form
from mpp_sdk.errors import InvalidInput


def text_of(name: str, most: int) -> str | None:
    """Return the text of a field, or of the file in `<name>/file`; None for neither.

    Raises InvalidInput, naming the field, for more than so many bytes and for what is no UTF-8.
    """
    content = _content(name, most + 1)
    if content is None:
        return request.form.get(name, "").strip() or None
    if len(content) > most:
        raise InvalidInput.field(
            f"/{name}",
            "maxLength",
            f"The file is larger than {most // 1000} kB, which is the most that is taken. "
            "Choose a smaller one.",
        )
    text = _decoded(content)
    if text is None:
        raise InvalidInput.field(
            f"/{name}",
            "utf-8",
            "The file is no text in UTF-8. Save it as UTF-8 and choose it again.",
        )
    return text.strip() or None


def kept(form: Form, name: str, most: int) -> Form:
    """Return a form that was refused, with the text of the file that was sent in its field.

    A browser does not send a file twice by itself.
    """
    content = _content(name, most + 1)
    text = _decoded(content) if content is not None and len(content) <= most else None
    return form if text is None else replace(form, given={**form.given, name: [text]})


def _content(name: str, most: int) -> bytes | None:
    file = request.files.get(f"{name}/file")
    if file is None or not file.filename:
        return None
    file.stream.seek(0)
    content: bytes = file.stream.read(most)
    return content


def _decoded(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text
