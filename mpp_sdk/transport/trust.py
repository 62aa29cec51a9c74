"""Which certificate authorities are trusted."""

import os

import certifi


def authorities() -> str:
    """Return the file of the trusted authorities: that of SSL_CERT_FILE, else the public ones."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
