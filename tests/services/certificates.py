"""Certificates for the tests, from an authority that exists for as long as a test does."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificate:
    """The files of a certificate with its chain, and of its key."""

    chain: Path
    key: Path


class Authority:
    """A certificate authority; who is to trust it is given its file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str, ends: datetime | None = None) -> Certificate:
        """Return a new certificate for host names and addresses, valid to a moment if given."""
        issued = self._authority.issue_cert(*names, not_after=ends)
        chain, key = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        chain.unlink(missing_ok=True)
        for part in issued.cert_chain_pems:
            part.write_to_path(str(chain), append=True)
        issued.private_key_pem.write_to_path(str(key))
        return Certificate(chain, key)
