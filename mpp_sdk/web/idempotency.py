"""A repeated call with the same Idempotency-Key gets the first answer and changes nothing."""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from mpp_sdk.clock import now
from mpp_sdk.database import UtcDateTime
from mpp_sdk.errors import Conflict, IdempotencyMismatch
from mpp_sdk.secrets import SecretBox
from mpp_sdk.web.call import Proceed, Repeatable, Reply

KEPT = timedelta(days=7)
"""How long an answer can be had again."""


ReplyKey = tuple[str, str, str]
"""The subject, the operation and the key of a kept answer."""


@dataclass(frozen=True)
class KeptReply:
    """An answer that was given, and what it was asked by."""

    fingerprint: str
    reply: Reply

    def to(self, call: Repeatable) -> Reply:
        """Return the answer for a call. Raises IdempotencyMismatch when that asks otherwise."""
        _check_fingerprint(self.fingerprint, call)
        return self.reply


@dataclass(frozen=True)
class IdempotencyTable:
    """The answers that were given, by caller, operation and key."""

    table: Table

    @classmethod
    def define(cls, metadata: MetaData, name: str = "idempotent_reply") -> "IdempotencyTable":
        """Return the table, added to the metadata.

        The answer is encrypted, since it may hold a key that is shown once. It is absent only
        within the transaction that is making it.
        """
        return cls(
            Table(
                name,
                metadata,
                Column("subject", String(64), primary_key=True),
                Column("operation", String(128), primary_key=True),
                Column("key", String(128), primary_key=True),
                Column("fingerprint", String(64), nullable=False),
                Column("reply", Text),
                Column("created_at", UtcDateTime(), nullable=False, index=True),
            )
        )

    def replay_or_run(
        self, connection: Connection, call: Repeatable, proceed: Proceed, box: SecretBox
    ) -> Reply:
        """Return the answer that the key was given before, or run the call and keep its answer.

        It belongs in the transaction of the business write, so that both are kept or neither is. A
        second call with the same key waits until the first one's transaction is over. Only answers
        of success are kept, to which a redirection after a form belongs. Raises IdempotencyMismatch
        when the key was used for another request.
        """
        if call.idempotency_key is None:
            return proceed()
        if not self._claim(connection, call):
            return self._replay(connection, call, box)
        reply = proceed()
        if reply.status is not None and 200 <= reply.status < 400:
            connection.execute(
                update(self.table)
                .where(*self._this(call))
                .values(reply=box.encrypt(_to_text(reply)))
            )
        else:
            connection.execute(delete(self.table).where(*self._this(call)))
        return reply

    def find(self, connection: Connection, call: Repeatable, box: SecretBox) -> Reply | None:
        """Return the answer that the key was given before, if there is one.

        Raises IdempotencyMismatch when the key was used for another request.
        """
        columns = select(self.table.c.fingerprint, self.table.c.reply)
        row = connection.execute(columns.where(*self._this(call))).one_or_none()
        if row is None:
            return None
        _check_fingerprint(row.fingerprint, call)
        return None if row.reply is None else _from_text(box.decrypt(row.reply))

    def find_all(
        self, connection: Connection, calls: Collection[Repeatable], box: SecretBox
    ) -> "dict[ReplyKey, KeptReply]":
        """Return the answers that the keys of several calls were given before."""
        columns = self.table.c
        this = tuple_(columns.subject, columns.operation, columns.key)
        keys = {reply_key(call) for call in calls}
        rows = connection.execute(
            select(self.table).where(this.in_(keys), columns.reply.is_not(None))
        )
        return {
            (row.subject, row.operation, row.key): KeptReply(
                row.fingerprint, _from_text(box.decrypt(row.reply))
            )
            for row in rows
        }

    def keep_all(
        self, connection: Connection, answers: Collection[tuple[Repeatable, Reply]], box: SecretBox
    ) -> None:
        """Keep the answers of several calls. Raises IntegrityError when one has a kept answer."""
        moment = now()
        connection.execute(
            insert(self.table),
            [
                {
                    "subject": subject,
                    "operation": operation,
                    "key": key,
                    "fingerprint": call.fingerprint,
                    "reply": box.encrypt(_to_text(reply)),
                    "created_at": moment,
                }
                for call, reply in answers
                for subject, operation, key in (reply_key(call),)
            ],
        )

    def purge(self, connection: Connection) -> int:
        """Forget the answers older than 7 days. Return how many there were."""
        old = self.table.c.created_at < now() - KEPT
        return connection.execute(delete(self.table).where(old)).rowcount

    def _claim(self, connection: Connection, call: Repeatable) -> bool:
        """Return whether this call is the first with its key; the key is then its own."""
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        claim = (
            dialect.insert(self.table)
            .values(
                subject=call.subject,
                operation=call.operation_key,
                key=call.idempotency_key,
                fingerprint=call.fingerprint,
                created_at=now(),
            )
            .on_conflict_do_nothing()
            .returning(self.table.c.key)  # an INSERT's row count is not known on every driver
        )
        return connection.execute(claim).one_or_none() is not None

    def _replay(self, connection: Connection, call: Repeatable, box: SecretBox) -> Reply:
        reply = self.find(connection, call, box)
        if reply is None:
            raise Conflict("A call with this Idempotency-Key is in progress. Try again.")
        return reply

    def _this(self, call: Repeatable) -> tuple[Any, ...]:
        columns = self.table.c
        return (
            columns.subject == call.subject,
            columns.operation == call.operation_key,
            columns.key == call.idempotency_key,
        )


def reply_key(call: Repeatable) -> ReplyKey:
    """Return what an answer of a call with an Idempotency-Key is found by."""
    return call.subject, call.operation_key, call.idempotency_key or ""


def _check_fingerprint(fingerprint: str, call: Repeatable) -> None:
    if fingerprint != call.fingerprint:
        raise IdempotencyMismatch("Use a new Idempotency-Key for a new request.")


def _to_text(reply: Reply) -> str:
    if reply.body is not None and not isinstance(reply.body, bytes):
        raise TypeError("An answer is kept as bytes")
    return json.dumps(
        {
            "status": reply.status,
            "headers": dict(reply.headers),
            "mediaType": reply.media_type,
            "body": None if reply.body is None else base64.b64encode(reply.body).decode(),
        }
    )


def _from_text(text: str) -> Reply:
    kept = json.loads(text)
    return Reply(
        body=None if kept["body"] is None else base64.b64decode(kept["body"]),
        status=kept["status"],
        headers=kept["headers"],
        media_type=kept["mediaType"],
    )
