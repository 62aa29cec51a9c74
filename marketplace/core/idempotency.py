"""Answers that were given under an Idempotency-Key, kept to be given again.

They are kept encrypted: some of them hold a secret that is shown once.
"""

import base64
import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, Text, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.core.database import Base
from marketplace.core.unit_of_work import current_session
from mpp_sdk.clock import now
from mpp_sdk.errors import IdempotencyMismatch
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import SecretBox
from mpp_sdk.web.call import Call, Reply

_ANONYMOUS = "anonymous"


class KeptReply(Base):
    """The answer to the first call of a caller under a key."""

    __tablename__ = "kept_reply"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    caller: Mapped[str] = mapped_column(String(200))
    operation_id: Mapped[str] = mapped_column(String(100))
    key: Mapped[str] = mapped_column(String(128))
    fingerprint: Mapped[str] = mapped_column(String(64))
    encrypted_reply: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("caller", "key"),)


def kept_reply(call: Call, box: SecretBox) -> Reply | None:
    """Return the answer that was given before under this call's Idempotency-Key, if any.

    Raises IdempotencyMismatch when it was given to a different request.
    """
    statement = select(KeptReply).where(
        KeptReply.caller == _caller(call), KeptReply.key == call.idempotency_key
    )
    kept = current_session().scalars(statement).one_or_none()
    if kept is None:
        return None
    same = (call.operation.operation_id, call.fingerprint)
    if (kept.operation_id, kept.fingerprint) != same:
        raise IdempotencyMismatch("Use a new Idempotency-Key for a new request.")
    return _read(box.decrypt(kept.encrypted_reply))


def keep_reply(call: Call, reply: Reply, box: SecretBox) -> None:
    """Keep an answer for those who repeat the call, in the transaction of what it tells of."""
    current_session().add(
        KeptReply(
            id=new_id(),
            caller=_caller(call),
            operation_id=call.operation.operation_id,
            key=call.idempotency_key,
            fingerprint=call.fingerprint,
            encrypted_reply=box.encrypt(_written(reply)),
            created_at=now(),
        )
    )


def forget_replies(before: datetime) -> None:
    """Delete the answers that were given before a moment."""
    current_session().execute(delete(KeptReply).where(KeptReply.created_at < before))


def _caller(call: Call) -> str:
    return call.principal.subject if call.principal else _ANONYMOUS


def _written(reply: Reply) -> str:
    if reply.body is not None and not isinstance(reply.body, bytes):
        raise TypeError("Only an answer that is ready to be sent can be kept.")
    body = None if reply.body is None else base64.b64encode(reply.body).decode()
    return json.dumps([reply.status, dict(reply.headers), reply.media_type, body])


def _read(text: str) -> Reply:
    status, headers, media_type, body = json.loads(text)
    return Reply(
        body=None if body is None else base64.b64decode(body),
        status=status,
        headers=headers,
        media_type=media_type,
    )
