"""Where the kit has its credentials from, and where the key goes that a run has rotated to."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from mpp_sdk import webhooks
from mpp_sdk.conformance.target import Credentials
from mpp_sdk.errors import FieldError, InvalidInput

API_KEY = "CONFORMANCE_API_KEY"
SIGNING_SECRETS = "CONFORMANCE_SIGNING_SECRETS"
_OTHERS = 0o077


def _signing_secret(text: str) -> str:
    if not webhooks.is_signing_secret(text):
        raise ValueError("a signing secret is `whsec_` and base64")
    return text


_ApiKey = Annotated[str, Field(min_length=1, pattern=r"^[\x21-\x7e]+$")]
_SigningSecret = Annotated[str, AfterValidator(_signing_secret)]


class _Stored(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True)

    api_key: _ApiKey
    signing_secrets: tuple[_SigningSecret, ...] = ()
    client_id: str | None = None
    client_secret: str | None = None

    def credentials(self) -> Credentials:
        return Credentials(**dict(self))


def from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """Return the credentials that the environment has, or None where it has no key.

    Raises InvalidInput, which names the variable.
    """
    api_key = environment.get(API_KEY)
    if not api_key:
        return None
    listed = environment.get(SIGNING_SECRETS, "").split(",")
    secrets = [one.strip() for one in listed if one.strip()]
    named = {"apiKey": API_KEY, "signingSecrets": SIGNING_SECRETS}
    return _checked({"apiKey": api_key, "signingSecrets": secrets}, "the environment", named)


class CredentialsFile:
    """A JSON file with credentials: `{"apiKey": "...", "signingSecrets": ["whsec_..."]}`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[str, Any] = {}

    def read(self) -> Credentials:
        """Return what the file holds. Raises OSError, and InvalidInput that names the property."""
        try:
            content = json.loads(self.path.read_bytes())
        except ValueError as error:  # which may quote what it could not read
            raise InvalidInput(f"{self.path} is no JSON.") from error
        if not isinstance(content, dict):
            raise InvalidInput(f'{self.path} holds no JSON object such as {{"apiKey": "..."}}.')
        self._content = content
        return _checked(content, str(self.path), {})

    def is_open_to_others(self) -> bool:
        """Return whether others of this machine may read the file."""
        return os.name == "posix" and bool(self.path.stat().st_mode & _OTHERS)

    def can_be_rewritten(self) -> bool:
        """Return whether another file can be put in its place."""
        return os.access(self.path.resolve().parent, os.W_OK)

    def keep(self, credentials: Credentials) -> bool:
        """Put the key in use into the file; return whether it was another one.

        The new file is whole before it takes the old one's place, and nobody else can read it.
        """
        if credentials.api_key == self._content.get("apiKey"):
            return False
        self._content = {**self._content, "apiKey": credentials.api_key}
        place = self.path.resolve()  # where a link leads to, the link stays
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=place.parent, prefix=f".{place.name}-", delete=False
        ) as file:  # made for its owner alone
            try:
                json.dump(self._content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(place)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return True


def _checked(content: Mapping[str, Any], where: str, names: Mapping[str, str]) -> Credentials:
    try:
        return _Stored.model_validate(content).credentials()
    except ValidationError as error:
        errors = [
            FieldError(_name(problem["loc"], names), problem["type"], problem["msg"])
            for problem in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{one.pointer}: {one.detail}" for one in errors)
        raise InvalidInput(f"The credentials of {where} are not right. {told}", errors) from error


def _name(place: tuple[int | str, ...], names: Mapping[str, str]) -> str:
    first, *rest = place
    return "/".join([names.get(str(first), str(first)), *map(str, rest)])
