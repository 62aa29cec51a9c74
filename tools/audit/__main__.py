"""Ask whether anything that is pinned here has a known vulnerability.

`python -m tools.audit` asks the advisory services of PyPI and OSV about `constraints.txt` (by
pip-audit), and npm's about the lock files of `tools/`. It exits with 1 when something is
vulnerable. What no service answered about is never taken for sound: it is listed as NOT AUDITED,
and with `--all-must-be-audited`, as a release should have it, the exit status is then 2.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import node

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 180


@dataclass
class Report:
    """What came of asking: the vulnerable, those found sound, and those nobody answered about."""

    vulnerable: list[str] = field(default_factory=list)
    sound: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    reasons: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Take in what another service said; what one has answered is answered."""
        self.vulnerable += other.vulnerable
        self.sound |= other.sound
        self.unanswered = (self.unanswered | other.unanswered) - self.sound
        self.unanswered -= {one.partition(":")[0] for one in self.vulnerable}
        self.reasons += other.reasons

    def status(self, *, all_must_be_audited: bool) -> int:
        """Return the exit status."""
        if self.vulnerable:
            return 1
        return 2 if self.unanswered and all_must_be_audited else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit everything that is pinned. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__)
    parser.add_argument("--all-must-be-audited", action="store_true")
    parser.add_argument("--osv-url", help="an OSV service to ask instead of the public ones")
    parser.add_argument("--pins", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--no-npm", action="store_true", help="leave the lock files out")
    options = parser.parse_args(arguments)
    report = audit_pins(options.pins, options.osv_url)
    if not options.no_npm:
        for lock in sorted((ROOT / "tools").glob("*/package-lock.json")):
            report.add(audit_lock(lock))
    _print(report)
    return report.status(all_must_be_audited=options.all_must_be_audited)


def audit_pins(pins: Path, osv_url: str | None = None) -> Report:
    """Return what the services say of Python packages; the second is asked what is left."""
    services = [("--vulnerability-service=osv", f"--osv-url={osv_url}")] if osv_url else [
        ("--vulnerability-service=pypi",),
        ("--vulnerability-service=osv",),
    ]  # fmt: skip
    names = set(_pinned(pins))
    report = Report(unanswered=set(names))
    for service in services:
        report.add(_by_pip_audit(pins, names, service))
        if not report.unanswered:
            break
    return report


def _pinned(pins: Path) -> Iterable[str]:
    lines = (line.partition("#")[0].strip() for line in pins.read_text("utf-8").splitlines())
    return (line.replace("==", " ") for line in lines if line)


def _by_pip_audit(pins: Path, names: set[str], service: tuple[str, ...]) -> Report:
    command = [sys.executable, "-m", "pip_audit", f"--requirement={pins}", "--no-deps"]
    command += ["--disable-pip", "--format=json", "--progress-spinner=off", *service]
    answer, reason = _run(command, dict(os.environ), pins.parent)
    report = Report(unanswered=set(names))
    if answer is None:
        report.reasons.append(f"{service[0].rpartition('=')[2]}: {reason}")
        return report
    known = {_normal(name): name for name in names}
    for each in answer["dependencies"]:
        if "skip_reason" in each:
            continue
        name = known.get(_normal(f"{each['name']} {each['version']}"))
        if name is None:
            continue
        report.unanswered.discard(name)
        for one in each["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version yet"
            report.vulnerable.append(f"{name}: {one['id']}, fixed in {fixed}")
        if not each["vulns"]:
            report.sound.add(name)
    if report.unanswered:
        service_name = service[0].rpartition("=")[2]
        report.reasons.append(f"{service_name} knows nothing of {len(report.unanswered)} pins")
    return report


def audit_lock(lock: Path) -> Report:
    """Return what npm's service says of a lock file."""
    name = f"npm {lock.parent.name}"
    command = [node.program("npm"), "audit", "--package-lock-only", "--json"]
    answer, reason = _run(command, node.environment(), lock.parent)
    if answer is None or "metadata" not in answer:
        said = reason or str((answer or {}).get("message", "no answer")).partition(" - ")[0]
        return Report(unanswered={name}, reasons=[f"{name}: {said}"])
    found = answer.get("vulnerabilities", {})
    wrong = [f"{name}: {package} ({each['severity']})" for package, each in found.items()]
    return Report(vulnerable=wrong, sound=set() if wrong else {name})


def _run(
    command: Sequence[str], environment: dict[str, str], folder: Path
) -> tuple[Any | None, str]:
    """Return what a command prints as JSON; or None, and the last thing that it says."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {_SECONDS} s"
    try:
        return json.loads(done.stdout), ""
    except ValueError:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return None, said[-1].partition("(")[0].strip()[:120]


def _normal(pin: str) -> str:
    return pin.lower().replace("_", "-").replace(".", "-")


def _print(report: Report) -> None:
    for one in sorted(report.vulnerable):
        print(f"VULNERABLE  {one}")
    if report.sound:
        print(f"No known vulnerability in {len(report.sound)} of what is pinned.")
    if report.unanswered:
        print(f"NOT AUDITED: {len(report.unanswered)} of what is pinned, for nobody answered.")
        for reason in report.reasons:
            print(f"    {reason}")
        print("    This is no statement about them. Audit again where a service can be asked.")


if __name__ == "__main__":
    sys.exit(main())
