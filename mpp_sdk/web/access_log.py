"""One line for each call: what was asked by whom, and what came of it. Never a secret."""

import logging
from pathlib import Path

from mpp_sdk.logs import FieldsFormatter, fields
from mpp_sdk.web.exchange import Exchange

LOGGER = logging.getLogger("flexagora.access")


def log_access(exchange: Exchange, seconds: float) -> None:
    """Write the line of an exchange that is over after so many seconds.

    The query is left out: it may hold anything.
    """
    if not LOGGER.isEnabledFor(logging.INFO):
        return
    principal, operation, contract = exchange.principal, exchange.operation, exchange.contract
    duration_ms = round(seconds * 1000, 3)
    # Made here, for LOGGER.info would walk the stack to find out which line this is.
    record = LOGGER.makeRecord(
        LOGGER.name,
        logging.INFO,
        __file__,
        0,
        "%s %s %s in %s ms",
        (exchange.method, exchange.path, exchange.status, duration_ms),
        None,
        extra=fields(
            contract=contract.name if contract else None,
            operationId=operation.operation_id if operation else None,
            page=exchange.page,
            method=exchange.method,
            path=exchange.path,
            status=exchange.status,
            durationMs=duration_ms,
            callerId=principal.subject if principal else None,
            caller=principal.name if principal else None,
            correlationId=exchange.correlation_id,
            eventId=exchange.event_id,
        ),
    )
    LOGGER.handle(record)


def log_to_file(path: Path) -> None:
    """Append the access log to a file, one JSON object in each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(FieldsFormatter())
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
