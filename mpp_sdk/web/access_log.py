"""One line of JSON for each call: what was asked by whom, and what came of it. Never a secret."""

import json
import logging
import time
from pathlib import Path

from mpp_sdk.clock import now
from mpp_sdk.web.exchange import Exchange

LOGGER = logging.getLogger("flexagora.access")


def log_access(exchange: Exchange) -> None:
    """Write the line of an exchange that is over. The query is left out: it may hold anything."""
    principal, operation, contract = exchange.principal, exchange.operation, exchange.contract
    line = {
        "time": now().isoformat(),
        "contract": contract.name if contract else None,
        "operationId": operation.operation_id if operation else None,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "durationMs": round((time.perf_counter() - exchange.started) * 1000, 3),
        "callerId": principal.subject if principal else None,
        "caller": principal.name if principal else None,
        "correlationId": exchange.correlation_id,
        "eventId": exchange.event_id,
    }
    LOGGER.info(json.dumps({key: value for key, value in line.items() if value is not None}))


def log_to_file(path: Path) -> None:
    """Append the access log to a file, one JSON object in each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
