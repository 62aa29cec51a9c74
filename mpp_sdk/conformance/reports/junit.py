"""The report for CI servers: JUnit XML, as Jenkins' `junit-10.xsd` has it, a test for each case."""

import xml.etree.ElementTree as ElementTree  # it writes only: nothing is parsed here
from datetime import UTC

from mpp_sdk.conformance.model import Outcome
from mpp_sdk.conformance.reports.contents import Report, ReportedCase, ReportedFinding

_SKIPPED = (Outcome.NOT_SHOWN, Outcome.NOT_OFFERED)


def to_junit(report: Report) -> str:
    """Return the report as XML. What was not shown or is not offered counts as skipped."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"conformance {report.contract} {report.contract_version}",
        tests=str(len(report.cases)),
        failures=str(report.count(Outcome.FAILED)),
        errors="0",
        skipped=str(sum(report.count(outcome) for outcome in _SKIPPED)),
        time=_seconds(sum(case.seconds for case in report.cases)),
        timestamp=f"{report.started_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("baseUrl", report.base_url),
        ("contractVersion", report.contract_version),
        ("spokenVersion", report.spoken_version or ""),
        ("kitVersion", report.kit_version),
        ("verdict", report.verdict.value),
        ("notChosen", str(report.left_out)),
    ):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for case in report.cases:
        suite.append(_case(case, report.contract))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(case: ReportedCase, contract: str) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase",
        name=f"{case.id} {case.title}",
        classname=f"conformance.{contract}",
        time=_seconds(case.seconds),
    )
    if case.outcome is Outcome.FAILED:
        failure = ElementTree.SubElement(element, "failure", message=case.detail)
        failure.text = "\n\n".join([f"Why it matters: {case.why}", *map(_finding, case.findings)])
    elif case.outcome in _SKIPPED:
        skipped = f"{case.outcome.value}: {case.detail}"
        ElementTree.SubElement(element, "skipped", message=skipped)
    return element


def _finding(finding: ReportedFinding) -> str:
    lines = [finding.detail, *([f"To do: {finding.advice}"] if finding.advice else [])]
    for message in (finding.request, finding.answer):
        if message is not None:
            lines += ["", *message.lines()]
    return "\n".join(lines)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
