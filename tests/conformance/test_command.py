"""`flexagora conformance` against served platforms, as people and CI servers run it."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from lxml import etree

from examples.demo.processes import free_port
from mpp_sdk.commands import main
from mpp_sdk.conformance import cases_of
from mpp_sdk.conformance.command import CANNOT_RUN, FAILED, NOT_ALL_SHOWN, PASSED
from mpp_sdk.conformance.credentials import API_KEY, SIGNING_SECRETS
from mpp_sdk.webhooks import new_signing_secret
from tests.conformance.served import Broken, ServedPlatform, served, sqlite_in
from tests.unit.marketplace.identity.test_integration import answering

QUICK = ["--case", "EU-MP-TEST-*", "--case", "EU-MP-KEY-01"]


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[ServedPlatform]:
    with served(sqlite_in(tmp_path)) as one:
        yield one


@pytest.fixture
def credentials(platform: ServedPlatform, tmp_path: Path) -> Path:
    file = tmp_path / "credentials.json"
    file.write_text(
        json.dumps({"apiKey": platform.api_key, "signingSecrets": platform.signing_secrets})
    )
    file.chmod(0o600)
    return file


def ran(*arguments: object) -> int:
    """Return the exit status of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["conformance", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_sound_platform_passes_and_every_report_is_written(
    platform: ServedPlatform,
    credentials: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = [tmp_path / name for name in ("r.xml", "r.json", "r.html")]
    options = [
        word
        for name, file in zip(["junit", "json", "certificate"], written, strict=True)
        for word in (f"--{name}", file)
    ]

    assert ran(platform.base_url, "--credentials", credentials, *QUICK, *options) == PASSED
    told = capsys.readouterr()
    assert "PASSED      EU-MP-KEY-01" in told.out
    assert told.err == ""
    report = json.loads(written[1].read_bytes())
    assert {case["outcome"] for case in report["cases"]} == {"PASSED"}
    assert report["notChosen"] == len(cases_of("eu-mp")) - len(report["cases"])
    assert report["verdict"] == "INCOMPLETE"  # of a part
    assert etree.parse(written[0]).getroot().tag == "testsuites"
    assert "<!doctype html>" in written[2].read_text()
    everything = told.out + "".join(file.read_text() for file in written)
    secrets = [platform.api_key, *platform.signing_secrets, json.loads(credentials.read_text())]
    assert not [one for one in map(str, secrets) if one in everything]


def test_the_key_that_is_valid_then_is_in_the_file_and_a_second_run_passes(
    platform: ServedPlatform, credentials: Path
) -> None:
    call = [platform.base_url, "--credentials", credentials, *QUICK]

    assert ran(*call) == PASSED
    kept = json.loads(credentials.read_bytes())
    assert kept["apiKey"] != platform.api_key
    assert kept["signingSecrets"] == list(platform.signing_secrets)
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert ran(*call) == PASSED
    assert [file.name for file in credentials.parent.glob("*credentials*")] == [credentials.name]


def test_a_link_to_the_credentials_stays_one(
    platform: ServedPlatform, credentials: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.json"
    link.symlink_to(credentials)

    assert ran(platform.base_url, "--credentials", link, *QUICK) == PASSED
    assert link.is_symlink()
    assert json.loads(credentials.read_bytes())["apiKey"] != platform.api_key


def test_credentials_that_others_can_read_are_warned_of(
    platform: ServedPlatform, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.chmod(0o644)

    assert ran(platform.base_url, "--credentials", credentials, "--safe", *QUICK) == PASSED
    assert f"chmod 600 {credentials}" in capsys.readouterr().err


def test_the_environment_serves_too_and_a_key_that_is_lost_by_it_is_told(
    platform: ServedPlatform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(API_KEY, platform.api_key)
    monkeypatch.setenv(SIGNING_SECRETS, ",".join(platform.signing_secrets))

    assert ran(platform.base_url, *QUICK) == PASSED
    assert "the new one is kept nowhere" in capsys.readouterr().err


def answers_500(broken: Broken) -> None:
    broken.patch.setattr(broken.platform.inbound_keys, "issue", lambda *_, **__: 1 / 0)


def test_a_failure_is_told_with_its_call_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "credentials.json"
    with served(sqlite_in(tmp_path), answers_500) as platform:
        secrets = {"apiKey": platform.api_key, "signingSecrets": platform.signing_secrets}
        file.write_text(json.dumps(secrets))
        status = ran(platform.base_url, "--credentials", file, "--case", "EU-MP-KEY-01")

    assert status == FAILED
    told = capsys.readouterr().out
    assert "Why it matters:" in told
    assert "> POST /eu-mp/v1/apikey" in told
    assert "< 500" in told
    assert platform.api_key not in told
    assert "FAILS" in told


def test_what_cannot_be_shown_is_neither_passed_nor_failed(
    platform: ServedPlatform, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"apiKey": platform.api_key, "signingSecrets": platform.signing_secrets[:1]}
    credentials.write_text(json.dumps(one))  # it takes two to see one replaced
    case = ["--case", "EU-MP-SIGN-11"]

    assert ran(platform.base_url, "--credentials", credentials, *case) == NOT_ALL_SHOWN
    told = capsys.readouterr().out
    assert "NOT_SHOWN   EU-MP-SIGN-11" in told
    assert "INCOMPLETE" in told


def test_only_harmless_cases_are_tried_when_it_is_to_be_safe(
    platform: ServedPlatform, credentials: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    call = [platform.base_url, "--credentials", credentials, "--safe", "--json", report]

    assert ran(*call, "--case", "EU-MP-*") == PASSED
    tried = {case["id"] for case in json.loads(report.read_bytes())["cases"]}
    harmless = {one.id for one in cases_of("eu-mp") if one.harmless}
    assert tried == {one for one in harmless if one.startswith("EU-MP-")}
    assert json.loads(credentials.read_bytes())["apiKey"] == platform.api_key


def test_a_command_restarts_the_server_and_without_one_nothing_waits(
    platform: ServedPlatform, credentials: Path, tmp_path: Path
) -> None:
    case = ["--credentials", credentials, "--case", "EU-MP-RESTART-01"]
    assert ran(platform.base_url, *case) == NOT_ALL_SHOWN
    assert ran(platform.base_url, *case, "--restart-command", "false") == NOT_ALL_SHOWN

    mark = tmp_path / "restarted"
    assert ran(platform.base_url, *case, "--restart-command", f"touch '{mark}'") == PASSED
    assert mark.exists()


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return the one thing that is said of a run that cannot begin."""
    assert ran(*arguments) == CANNOT_RUN
    told = capsys.readouterr()
    assert told.out == ""
    assert 1 <= len(told.err.splitlines()) <= 2, told.err
    return told.err


@pytest.fixture
def some_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(API_KEY, "fxk_this-key-is-not-right")


@pytest.mark.usefixtures("some_key")
def test_a_wrong_key_is_said_once(
    platform: ServedPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    told = refused(capsys, platform.base_url)

    assert "the key is refused" in told
    assert "keys issue" in told


@pytest.mark.parametrize("secrets", [None, new_signing_secret()], ids=["missing", "wrong"])
def test_secrets_that_are_missing_or_wrong_are_said_once(
    platform: ServedPlatform,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    secrets: str | None,
) -> None:
    monkeypatch.setenv(API_KEY, platform.api_key)
    if secrets is not None:
        monkeypatch.setenv(SIGNING_SECRETS, secrets)

    told = refused(capsys, platform.base_url)

    assert f"an event is refused {'without a signature' if secrets is None else 'as it is'}" in told
    assert "signingSecrets" in told
    assert ran(platform.base_url, "--safe", "--case", "EU-MP-TEST-*") == PASSED


@pytest.mark.usefixtures("some_key")
def test_a_server_that_is_not_there_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, f"http://127.0.0.1:{free_port()}")

    assert "See that the server runs" in told


@pytest.mark.usefixtures("some_key")
@pytest.mark.parametrize(
    ("status", "body", "headers", "advice"),
    [
        (404, "{}", {}, "State the base URL without /eu-mp/v1"),
        (200, "<h1>Hello</h1>", {"Content-Type": "text/html"}, "A web page answers there"),
        (302, "", {"Location": "https://www.platform.example/"}, "https://www.platform.example/"),
        (502, "", {}, "look into its log"),
    ],
)
def test_another_server_is_said_once(
    capsys: pytest.CaptureFixture[str],
    status: int,
    body: str,
    headers: dict[str, str],
    advice: str,
) -> None:
    with answering(status, body, headers) as port:
        assert advice in refused(capsys, f"http://127.0.0.1:{port}")


@pytest.mark.usefixtures("some_key")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://platform.example"], "--allow-http"),
        (["ftp://platform.example"], "begin with https://"),
        (["https://user:word@platform.example"], "no user name"),
        (["https://platform.invalid"], "cannot be resolved"),
        ([], "Name the server to try"),
        (
            ["http://127.0.0.1:1", "--contract", "eump"],
            "There are: eu-mp, flexoffer, metering, notifications",
        ),
        (["http://127.0.0.1:1", "--case", "NO-SUCH-*"], "--list shows"),
        (["http://127.0.0.1:1", "--credentials", "not-there.json"], "not-there.json"),
        (["http://127.0.0.1:1", "--json", "no/such/folder.json"], "no such folder"),
        (["http://127.0.0.1:1", "--contract", "metering"], "--subscription"),
    ],
)
def test_what_the_user_got_wrong_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], told: str
) -> None:
    assert told in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[]", "holds no JSON object"),
        ("{}", "apiKey: Field required"),
        ('{"apiKey": ""}', "apiKey"),
        ('{"apiKey": "with a space"}', "apiKey"),
        ('{"apiKey": "k", "signingSecrets": ["whsec_%"]}', "signingSecrets/0"),
        ('{"apiKey": "k", "signingSecret": "whsec_aaaa"}', "signingSecret: Extra inputs"),
    ],
)
def test_credentials_that_are_not_right_are_refused_by_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str, told: str
) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(content)
    file.chmod(0o600)

    assert told in refused(capsys, "http://127.0.0.1:1", "--credentials", file)


def test_the_list_tells_each_case_and_why_it_matters(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran("--list") == PASSED
    told = capsys.readouterr().out
    for case in cases_of("eu-mp"):
        assert case.id in told
        assert case.why in told


def test_the_command_needs_nothing_of_the_marketplace() -> None:
    program = (
        "import sys\n"
        "from mpp_sdk.commands import main\n"
        "try: main(['conformance', '--help'])\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "assert not [one for one in sys.modules if one.split('.')[0] == 'marketplace']\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert "--credentials" in ended.stdout
