"""`flexagora conformance`: tries a running server, and says what came of it."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from mpp_sdk.conformance import credentials as stored
from mpp_sdk.conformance import preflight
from mpp_sdk.conformance.credentials import CredentialsFile
from mpp_sdk.conformance.model import Case, Outcome, Result, Verdict
from mpp_sdk.conformance.registry import cases_of, contracts
from mpp_sdk.conformance.reports import Report, report_of, to_certificate, to_json, to_junit
from mpp_sdk.conformance.reports.cleaning import Cleaner
from mpp_sdk.conformance.reports.terminal import Progress, console_of, show
from mpp_sdk.conformance.restarting import (
    CannotRestart,
    RestartByCommand,
    RestartByHand,
    Restarter,
)
from mpp_sdk.conformance.runner import Listener, run
from mpp_sdk.conformance.subject import Subject, opened
from mpp_sdk.conformance.target import Credentials, Target
from mpp_sdk.errors import FlexagoraError, InvalidInput
from mpp_sdk.transport import AddressPolicy, check_url
from mpp_sdk.web.contract import Contract

PASSED, FAILED, CANNOT_RUN, NOT_ALL_SHOWN = range(4)
"""The exit statuses."""

_LOOPBACK = re.compile(r"http://(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?(/.*)?", re.IGNORECASE)
_MOMENTS = ["%Y-%m-%dT%H:%M:%S%z"]


def conformance(
    base_url: Annotated[
        str | None,
        typer.Argument(
            help="The server to try: what comes before the contract's own base path, such as "
            "https://platform.example."
        ),
    ] = None,
    contract: Annotated[
        str, typer.Option(help="The contract that it serves, such as eu-mp or metering.")
    ] = "eu-mp",
    credentials: Annotated[
        Path | None,
        typer.Option(
            help='A JSON file: {"apiKey": "...", "signingSecrets": ["whsec_..."]}. A key that the '
            "run rotates to is written back into it. Without it, the variables "
            f"{stored.API_KEY} and {stored.SIGNING_SECRETS} are read."
        ),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(help="Only the cases whose id matches, such as 'EU-MP-*'. May be repeated."),
    ] = None,
    safe: Annotated[
        bool, typer.Option("--safe", help="Only the cases that leave a server as it was.")
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the cases and why each matters; try nothing.")
    ] = False,
    subscription: Annotated[
        UUID | None,
        typer.Option(help="An ACTIVE subscription of the credentials (metering, notifications)."),
    ] = None,
    ended_subscription: Annotated[
        UUID | None, typer.Option(help="One of the same company that has ended (notifications).")
    ] = None,
    foreign_subscription: Annotated[
        UUID | None, typer.Option(help="One of two other companies (metering, notifications).")
    ] = None,
    pod: Annotated[
        list[str] | None,
        typer.Option(help="A point of delivery with readings (metering). May be repeated."),
    ] = None,
    period: Annotated[
        tuple[datetime, datetime] | None,
        typer.Option(
            formats=_MOMENTS,
            help="Start and end, with offsets, of a period in which the first --pod has readings.",
        ),
    ] = None,
    refused_pod: Annotated[
        str | None, typer.Option(help="A point of delivery without consent (metering).")
    ] = None,
    foreign_flex_offer: Annotated[
        UUID | None, typer.Option(help="A flex-offer of another subscription (flexoffer).")
    ] = None,
    restart_command: Annotated[
        str | None,
        typer.Option(
            help="A shell command that restarts the server and returns once it answers. Without "
            "it, somebody at the terminal is asked."
        ),
    ] = None,
    no_restart: Annotated[
        bool, typer.Option("--no-restart", help="Do not ask for a restart.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds that one call may take.")
    ] = 30.0,
    allow_http: Annotated[
        bool,
        typer.Option(
            "--allow-http",
            help="Send the key without TLS to another machine: on closed networks only.",
        ),
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON here.")] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Write a one-page HTML certificate here.")
    ] = None,
) -> None:
    """Try whether a server, in whatever language, keeps a contract.

    Exit status: 0 every chosen case passed, or is not offered; 1 one failed; 2 the run could not
    begin; 3 none failed, but some were not shown for want of something.
    """
    console = console_of()
    with _explained():
        document = _contract(contract)
        cases = cases_of(document.name)
        chosen = [one for one in cases if _is_chosen(one, case or ["*"], safe=safe)]
        if not chosen:
            raise InvalidInput("No case is chosen: --list shows those that there are.")
        if listed:
            _list(console, chosen)
            return
        if base_url is None:
            raise InvalidInput("Name the server to try, such as https://platform.example.")
        outputs: list[tuple[Path | None, Callable[[Report], str]]] = [
            (junit, to_junit),
            (json, to_json),
            (certificate, to_certificate),
        ]
        files = [(_writable(file), render) for file, render in outputs if file is not None]
        kept = None if credentials is None else _kept(credentials, safe=safe)
        target = Target(
            base_url=base_url,
            contract=document.name,
            credentials=_credentials(kept),
            policy=_policy(base_url, allow_http=allow_http),
            timeout=timedelta(seconds=timeout),
            subscription_id=subscription,
            ended_subscription_id=ended_subscription,
            foreign_subscription_id=foreign_subscription,
            pod_ids=tuple(pod or ()),
            period=_with_offsets(period),
            refused_pod_id=refused_pod,
            foreign_flex_offer_id=foreign_flex_offer,
        )
        report = _tried(
            console,
            target,
            document,
            chosen,
            left_out=len(cases) - len(chosen),
            kept=kept,
            restarter=lambda ask: _restarter(restart_command, ask, never=no_restart),
        )
        show(console, report)
        for file, render in files:
            file.write_text(render(report), encoding="utf-8")
            typer.echo(f"{file} is written.")
    raise SystemExit(_status(report))


def _tried(
    console: Console,
    target: Target,
    contract: Contract,
    cases: Sequence[Case],
    *,
    left_out: int,
    kept: CredentialsFile | None,
    restarter: Callable[[Callable[[str], bool]], Restarter],
) -> Report:
    """Return what came of the cases. The key in use is in the file again, however this ends."""
    with ExitStack() as stack:
        secrets: set[str] = set()
        cleaner = Cleaner(secrets)
        progress = Progress(console, cleaner)
        subject = stack.enter_context(opened(target, contract, restarter(progress.ask)))
        listener = _Keeping(progress, subject, secrets, kept)
        stack.callback(listener.keep)
        preflight.check(subject, cases)
        console.print(f"{contract.name} {contract.version} at {target.base_url}", style="bold")
        with progress:
            done = run(subject, cases, listener)
    if kept is None and subject.credentials.api_key != target.credentials.api_key:
        typer.echo(
            "The key was replaced during the run, and the new one is kept nowhere: with "
            "--credentials it is written back into the file.",
            err=True,
        )
    return report_of(done, cleaner, left_out)


class _Keeping:
    """Follows a run: remembers each key that was in use, and writes the present one back."""

    def __init__(
        self,
        inner: Listener,
        subject: Subject,
        secrets: set[str],
        kept: CredentialsFile | None,
    ) -> None:
        self._inner = inner
        self._subject = subject
        self._secrets = secrets
        self._kept = kept
        self.keep()

    def begins(self, case: Case, number: int, total: int) -> None:
        """Pass it on."""
        self._inner.begins(case, number, total)

    def ended(self, result: Result) -> None:
        """Keep the key before anything is shown that may have it in it."""
        self.keep()
        self._inner.ended(result)

    def keep(self) -> None:
        """Keep what the subject authenticates with now."""
        now = self._subject.credentials
        self._secrets.update([now.api_key, *now.signing_secrets])
        if now.client_secret is not None:
            self._secrets.add(now.client_secret)
        if self._kept is not None:
            self._kept.keep(now)


def _status(report: Report) -> int:
    if report.verdict is Verdict.FAILS:
        return FAILED
    return NOT_ALL_SHOWN if report.count(Outcome.NOT_SHOWN) else PASSED


def _is_chosen(case: Case, patterns: Sequence[str], *, safe: bool) -> bool:
    named = any(fnmatchcase(case.id, pattern.upper()) for pattern in patterns)
    return named and (case.harmless or not safe)


def _list(console: Console, cases: Sequence[Case]) -> None:
    for one in cases:
        mark = "  (safe)" if one.harmless else ""
        console.print(f"{one.id}  {one.title}{mark}", style="bold", soft_wrap=True)
        console.print(f"    {one.why}", soft_wrap=True)


def _contract(name: str) -> Contract:
    known = contracts()
    if name not in known:
        raise InvalidInput(f"There is no contract {name} to try. There are: {', '.join(known)}.")
    return Contract.load(name.replace("-", "_"))


def _credentials(kept: CredentialsFile | None) -> Credentials:
    if kept is not None:
        return kept.read()
    found = stored.from_environment(os.environ)
    if found is None:
        raise InvalidInput(
            "The kit needs the key that the server's caller presents. Name a file with "
            f"--credentials, or set {stored.API_KEY}."
        )
    return found


def _kept(path: Path, *, safe: bool) -> CredentialsFile:
    kept = CredentialsFile(path)
    if path.exists() and kept.is_open_to_others():
        typer.echo(f"Others can read {path}, which holds a key: chmod 600 {path}", err=True)
    if not safe and not kept.can_be_rewritten():
        raise InvalidInput(
            f"The run replaces the key, and {path} could not be rewritten: name a file in a folder "
            "that you may write to, or run with --safe."
        )
    return kept


def _policy(base_url: str, *, allow_http: bool) -> AddressPolicy:
    """Return which addresses are called: whoever names the server may name one of their own."""
    with_http = allow_http or _LOOPBACK.fullmatch(base_url) is not None
    policy = AddressPolicy(allow_private=True, allow_http=with_http)
    try:
        check_url(base_url, policy, pointer="BASE_URL")
    except InvalidInput as error:
        if any(one.rule == "https" for one in error.errors):
            raise InvalidInput(
                f"{error.detail} Without TLS anybody on the way can read the key: --allow-http, on "
                "a closed network only, sends it all the same."
            ) from error
        raise
    return policy


def _with_offsets(
    period: tuple[datetime, datetime] | None,
) -> tuple[datetime, datetime] | None:
    if period is not None and period[0] >= period[1]:
        raise InvalidInput("--period: the end must be after the start.")
    return period


def _writable(file: Path) -> Path:
    """Return a file that a report can be written to: better now than after the run."""
    if not file.absolute().parent.is_dir():
        raise InvalidInput(f"{file} cannot be written: there is no such folder.")
    return file


def _restarter(command: str | None, ask: Callable[[str], bool], *, never: bool) -> Restarter:
    if command is not None:
        return RestartByCommand(command)
    if never or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return CannotRestart()
    return RestartByHand(ask)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the user can mend into a line or two, and exit status 2."""
    try:
        yield
    except preflight.CannotBegin as error:
        _give_up(error.detail, error.advice)
    except FlexagoraError as error:
        _give_up(error.detail)
    except OSError as error:
        _give_up(f"{error.filename or 'A file'}: {error.strerror or error}")


def _give_up(*lines: str) -> None:
    for line in lines:
        typer.echo(Cleaner(()).text(line), err=True)
    raise SystemExit(CANNOT_RUN)
