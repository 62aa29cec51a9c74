"""Clients that show a test the first answer, whatever it is."""

import requests

from mpp_sdk.client import NO_RETRIES
from mpp_sdk.contracts.marketplace.client import MarketplaceClient


def tried_once(client: MarketplaceClient) -> MarketplaceClient:
    """Return a client as given, but that tries nothing again.

    Whoever counts calls that failed must not have them repeated behind its back.
    """
    return MarketplaceClient(client.base_url, requests.Session(), client._auth, retries=NO_RETRIES)
