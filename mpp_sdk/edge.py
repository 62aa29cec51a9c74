"""What surrounds every handler of a platform: signatures, and repeated calls."""

from collections.abc import Sequence

from mpp_sdk.secrets import SecretBox
from mpp_sdk.state.tables import REPLIES
from mpp_sdk.transactions import Transactions
from mpp_sdk.web.call import Call, Proceed, Reply
from mpp_sdk.webhooks import SIGNATURE_HEADER, verify


class PlatformEdge:
    """Checks signatures, and gives a repeated call with an Idempotency-Key its first answer."""

    def __init__(
        self, transactions: Transactions, box: SecretBox, signing_secrets: Sequence[str]
    ) -> None:
        self._transactions = transactions
        self._box = box
        self._signing_secrets = tuple(signing_secrets)

    def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Return the answer to a call.

        Which calls are signed is written in the contract: those that declare the signature header.
        Raises Unauthenticated for one of them without a good signature, where the marketplace's
        signing secrets are known; IdempotencyMismatch for another request with the same key.
        """
        signed = any(one.name == SIGNATURE_HEADER for one in call.operation.parameters)
        if signed and self._signing_secrets:
            verify(call.headers, call.body, self._signing_secrets)
        if call.idempotency_key is None:
            return proceed()
        with self._transactions() as session:
            return REPLIES.replay_or_run(session.connection(), call, proceed, self._box)

    def forget_old_replies(self) -> None:
        """Remove the answers that are too old to be asked for again."""
        with self._transactions() as session:
            REPLIES.purge(session.connection())
