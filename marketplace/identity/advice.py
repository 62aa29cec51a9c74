"""What to do about a base URL that the marketplace does not call, as exactly as can be told."""

from mpp_sdk.errors import InvalidInput

_OF_ADDRESSES = {
    "resolvable": "Check the spelling of the host name, and that your DNS has an A or AAAA record "
    "for it that is seen from outside.",
    "publicAddress": "State a host name whose addresses in the DNS are public. On a closed network "
    "the marketplace's operator can allow private ones.",
    "https": "State a base URL that begins with https://.",
    "port": "Serve the platform at port 443, or at another one from 1024 on that no other kind of "
    "service uses.",
}
_OTHER_ADDRESS = (
    "State a base URL such as https://platform.example, without user name, query or fragment."
)


def of_address(error: InvalidInput) -> str:
    """Return what to do about a base URL that is not called."""
    rule = error.errors[0].rule if error.errors else ""
    return _OF_ADDRESSES.get(rule, _OTHER_ADDRESS)
