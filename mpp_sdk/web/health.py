"""What those who run a server ask it: whether it is alive, and whether it can do its work."""

from http import HTTPStatus

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mpp_sdk.readiness import Finding, Readiness, ReadinessState


def health_routes(readiness: Readiness) -> list[Route]:
    """Return `/healthz` and `/readyz`.

    `/healthz` answers 200 for as long as the process answers at all: who gets nothing else may
    start it anew. `/readyz` answers 200 when the process can do its work, DEGRADED or not, and 503
    when it cannot; both say what was found.
    """

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ALIVE"})

    async def readyz(_: Request) -> Response:
        report = await anyio.to_thread.run_sync(readiness.report)
        ready = report.state is not ReadinessState.NOT_READY
        return JSONResponse(
            {"status": report.state, "checks": [_shown(finding) for finding in report.findings]},
            HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _shown(finding: Finding) -> dict[str, str]:
    if finding.problem is None:
        return {"name": finding.name, "status": "OK"}
    status = "FAILED" if finding.essential else "DEGRADED"
    return {"name": finding.name, "status": status, "detail": finding.problem}
