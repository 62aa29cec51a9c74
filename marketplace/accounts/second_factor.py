"""The second factor: codes of an authenticator app (RFC 6238), and recovery codes."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pyotp

from marketplace.accounts import guessing, repository
from marketplace.accounts.guessing import Refused
from marketplace.accounts.tables import Person, RecoveryCode
from marketplace.core import audit
from marketplace.core.environment import current_environment
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.errors import Conflict, InvalidInput, NotFound
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import hash_secret

_ISSUER = "Flexagora"
_DIGITS = 6
_STEP_SECONDS = 30
_DRIFT_STEPS = (0, -1, 1)
_RECOVERY_CODES = 10
_RECOVERY_BYTES = 10  # 80 random bits: nothing to guess, so that a plain hash is enough
_WRONG = "The code is not right."


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs; uri is for a QR code, secret for typing in."""

    secret: str
    uri: str


def is_on(person_id: UUID) -> bool:
    """Return whether somebody is asked for a second factor. Raises NotFound."""
    return _person(person_id, lock=False).has_second_factor


def recovery_codes_left(person_id: UUID) -> int:
    """Return how many recovery codes somebody has left."""
    return repository.recovery_codes_left(person_id)


def begin(person_id: UUID) -> Enrolment:
    """Return a new secret for an authenticator app; nothing is asked for until it is confirmed.

    Raises Conflict when a second factor is on.
    """
    person = _person(person_id)
    _require_off(person)
    secret = pyotp.random_base32()
    person.encrypted_totp_secret = current_environment().settings.secret_box.encrypt(secret)
    return _enrolment(person, secret)


def pending(person_id: UUID) -> Enrolment:
    """Return what `begin` returned, for as long as it is not confirmed. Raises Conflict."""
    person = _person(person_id, lock=False)
    _require_off(person)
    return _enrolment(person, _secret(person))


def confirm(person_id: UUID, code: str) -> Sequence[str]:
    """Switch the second factor on; return recovery codes, which are seen this once.

    Raises InvalidInput for a wrong code, Conflict when it is on already or was not begun.
    """
    person = _person(person_id)
    _require_off(person)
    step = _step_of(_secret(person), _bare(code))
    if step is None:
        raise InvalidInput.field("/code", "code", f"{_WRONG} Check the clock of your device.")
    person.totp_confirmed_at = now()
    person.totp_step = step
    audit.record("Person", person.id, "second-factor-on", market_player_id=person.market_player_id)
    current_session().flush()
    return _new_recovery_codes(person)


def renew_recovery_codes(person_id: UUID, code: str) -> Sequence[str] | Refused:
    """Return new recovery codes, in place of all before, for a right code."""
    person = _person(person_id)
    _require_on(person)
    refused = check(person, code)
    return refused if refused is not None else _new_recovery_codes(person)


def switch_off(person_id: UUID, code: str) -> Refused | None:
    """Switch the second factor off, for a right code or recovery code; None when it is done.

    A wrong one is counted, which the unit of work has to commit: see `signing_in`. Raises Conflict
    when it is off.
    """
    person = _person(person_id)
    _require_on(person)
    refused = check(person, code)
    if refused is not None:
        return refused
    person.encrypted_totp_secret = None
    person.totp_confirmed_at = None
    repository.forget_recovery_codes(person.id)
    audit.record("Person", person.id, "second-factor-off", market_player_id=person.market_player_id)
    return None


def check(person: Person, code: str) -> Refused | None:
    """Return the refusal of a code, None for a right one, which then works no more."""
    counted = f"second-factor:{person.id}"
    refused = guessing.too_many(counted)
    if refused is not None:
        return refused
    right = _take(person, _bare(code))

    def note(failures: int) -> None:
        audit.record(
            "Person",
            person.id,
            "lock",
            reason=f"{failures} wrong codes in a row",
            market_player_id=person.market_player_id,
        )

    return guessing.judge(counted, right=right, wrong=_WRONG, on_lock=note)


def _take(person: Person, code: str) -> bool:
    if len(code) == _DIGITS and code.isdecimal():
        step = _step_of(_secret(person), code)
        return step is not None and repository.take_totp_step(person.id, step)
    return repository.take_recovery_code(person.id, hash_secret(code))


def _step_of(secret: str, code: str) -> int | None:
    """Return the time step that a code belongs to, if it is one of now."""
    if not code.isascii():
        return None
    totp = pyotp.TOTP(secret, digits=_DIGITS, interval=_STEP_SECONDS)
    present = int(now().timestamp()) // _STEP_SECONDS
    for drift in _DRIFT_STEPS:
        if secrets.compare_digest(totp.generate_otp(present + drift), code):
            return present + drift
    return None


def _new_recovery_codes(person: Person) -> Sequence[str]:
    repository.forget_recovery_codes(person.id)
    codes = [
        base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
        for _ in range(_RECOVERY_CODES)
    ]
    current_session().add_all(
        RecoveryCode(id=new_id(), person_id=person.id, code_hash=hash_secret(code))
        for code in codes
    )
    return ["-".join(code[i : i + 4] for i in range(0, len(code), 4)) for code in codes]


def _bare(code: str) -> str:
    """Return a code without what people put between its letters."""
    letters = (letter for letter in code if letter.isascii() and letter.isalnum())
    return "".join(letters).upper()


def _enrolment(person: Person, secret: str) -> Enrolment:
    return Enrolment(
        secret, pyotp.TOTP(secret).provisioning_uri(name=person.email, issuer_name=_ISSUER)
    )


def _secret(person: Person) -> str:
    if person.encrypted_totp_secret is None:
        raise Conflict("Begin with a new secret for your authenticator app.")
    return current_environment().settings.secret_box.decrypt(person.encrypted_totp_secret)


def _person(person_id: UUID, *, lock: bool = True) -> Person:
    person = repository.person(person_id, lock=lock)
    if person is None:
        raise NotFound.entity("person", person_id)
    return person


def _require_off(person: Person) -> None:
    if person.has_second_factor:
        raise Conflict("The second factor is on: switch it off first.")


def _require_on(person: Person) -> None:
    if not person.has_second_factor:
        raise Conflict("The second factor is off.")
