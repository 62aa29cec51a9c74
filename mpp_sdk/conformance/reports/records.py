"""The report for programs: one JSON object, as `report.schema.json` beside this module says."""

import json
from datetime import datetime
from typing import Any

from mpp_sdk.conformance.model import Outcome
from mpp_sdk.conformance.reports.contents import (
    Report,
    ReportedCase,
    ReportedFinding,
    ReportedMessage,
)

FORMAT_VERSION = "1.0"
"""Raised in its first part when a reader of the version before would break."""


def to_json(report: Report) -> str:
    """Return the report as JSON, ending in a line break."""
    return json.dumps(_report(report), ensure_ascii=False, indent=2) + "\n"


def _report(report: Report) -> dict[str, Any]:
    return _present(
        formatVersion=FORMAT_VERSION,
        kitVersion=report.kit_version,
        baseUrl=report.base_url,
        contract=report.contract,
        contractVersion=report.contract_version,
        spokenVersion=report.spoken_version,
        startedAt=_moment(report.started_at),
        finishedAt=_moment(report.finished_at),
        verdict=report.verdict.value,
        counts={outcome.value: report.count(outcome) for outcome in Outcome},
        notChosen=report.left_out,
        cases=[_case(case) for case in report.cases],
    )


def _case(case: ReportedCase) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "why": case.why,
        "outcome": case.outcome.value,
        "detail": case.detail,
        "seconds": round(case.seconds, 3),
        "findings": [_finding(finding) for finding in case.findings],
    }


def _finding(finding: ReportedFinding) -> dict[str, Any]:
    return _present(
        detail=finding.detail,
        advice=finding.advice,
        request=_message(finding.request),
        answer=_message(finding.answer),
    )


def _message(message: ReportedMessage | None) -> dict[str, Any] | None:
    if message is None:
        return None
    headers = [{"name": name, "value": value} for name, value in message.headers]
    return {"head": message.head, "headers": headers, "body": message.body}


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _moment(moment: datetime) -> str:
    return moment.isoformat()
