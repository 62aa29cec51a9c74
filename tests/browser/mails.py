"""The mails of a marketplace that writes them to a folder."""

import re
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

_LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:)]")


class NoMail(Exception):
    """Nothing came in time."""


class Mailbox:
    """What came for everybody. Each mail is given once, the oldest first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._given: set[Path] = set()

    def wait_for(self, address: str, seconds: float = 30) -> EmailMessage:
        """Return the next mail to an address. Raises NoMail."""
        deadline = time.monotonic() + seconds
        while True:
            for file in sorted(self._folder.glob("*.eml"), key=lambda one: one.stat().st_mtime_ns):
                mail = message_from_bytes(file.read_bytes(), policy=policy.default)
                if file not in self._given and address in str(mail["To"]):
                    self._given.add(file)
                    return mail
            if time.monotonic() > deadline:
                raise NoMail(f"No mail to {address} came within {seconds:.0f} s.")
            time.sleep(0.05)

    def link_for(self, address: str, seconds: float = 30) -> str:
        """Return the link in the next mail to an address. Raises NoMail."""
        [link] = links_in(text_of(self.wait_for(address, seconds)))
        return link

    def is_empty_for(self, address: str) -> bool:
        """Return whether no mail to an address waits to be given."""
        try:
            self.wait_for(address, seconds=0)
        except NoMail:
            return True
        return False


def text_of(mail: EmailMessage) -> str:
    """Return a mail's text."""
    body = mail.get_body(("plain",))
    assert body is not None, "The mail has no plain text."
    return str(body.get_content())


def links_in(text: str) -> list[str]:
    """Return the addresses of pages that a text holds, each once, in order."""
    return list(dict.fromkeys(_LINK.findall(text)))
