"""The release artifacts: the same bytes whenever, wherever and how often they are made."""

import hashlib
import io
import json
import shutil
import tarfile
import time
import zipfile
from functools import cache
from pathlib import Path

import pytest

from tools.sdks import artifacts, documents, generator
from tools.sdks.__main__ import main
from tools.sdks.packing import tgz_of, zip_of

MANIFESTS = {"csharp": "/Flexagora.csproj", "java": "/pom.xml", "typescript": "/package.json"}
EVERYWHERE = [
    (language, kind, contract)
    for language in generator.LANGUAGES
    for kind in generator.KINDS
    for contract in documents.CONTRACTS
]


@cache
def released(language: str) -> tuple[str, bytes]:
    """Return the name and the bytes of a language's artifact."""
    return artifacts.build(language, generator.generated(language))


def unpacked(name: str, packed: bytes) -> dict[str, bytes]:
    """Return what is in an artifact, by path."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return {one: archive.read(one) for one in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        return {one.name: held.read() for one in tar if (held := tar.extractfile(one)) is not None}


@pytest.mark.parametrize("language", generator.LANGUAGES)
def test_generated_twice_is_the_same_bytes(
    language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = released(language)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    generator.generate(language, tmp_path / "elsewhere")
    second = artifacts.build(language, tmp_path / "elsewhere")
    ours, theirs = unpacked(*first), unpacked(*second)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert hashlib.sha256(first[1]).digest() == hashlib.sha256(second[1]).digest()


@pytest.mark.parametrize("language", generator.LANGUAGES)
def test_an_artifact_has_all_contracts_and_nothing_of_this_machine(language: str) -> None:
    name, packed = released(language)
    files = unpacked(name, packed)
    assert name.startswith(f"flexagora-{language}-{generator.version()}.")
    endings = {path.rpartition("/")[2] for path in files}
    assert {"README.md", "LICENSE", *(f"{one}.json" for one in documents.CONTRACTS)} <= endings
    for contract in documents.CONTRACTS:
        package = contract.replace("-", "")
        for kind in ("client" if language != "csharp" else "api", "server"):
            assert [
                path
                for path in files
                if f"/{kind}/" in path.lower() and package in path.lower().replace("-", "")
            ], f"{kind} of {contract}"
    machine = [str(documents.ROOT), str(Path.home()), "/tmp/"]
    assert [
        (path, sign) for path, held in files.items() for sign in machine if sign.encode() in held
    ] == []
    manifest = files[min((one for one in files if one.endswith(MANIFESTS[language])), key=len)]
    assert generator.version().encode() in manifest
    assert b"${version}" not in manifest


@pytest.mark.parametrize("pack", [zip_of, tgz_of])
def test_an_archive_depends_on_nothing_but_names_and_contents(
    pack: artifacts.Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pack({"b/a.txt": b"1", "a.txt": b"2"})
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert pack({"a.txt": b"2", "b/a.txt": b"1"}) == one
    assert pack({"a.txt": b"2", "b/a.txt": b"3"}) != one
    name = "x.zip" if pack is zip_of else "x.tgz"
    assert unpacked(name, one) == {"a.txt": b"2", "b/a.txt": b"1"}


@pytest.mark.parametrize(("language", "kind", "contract"), EVERYWHERE)
def test_no_configuration_writes_the_moment_of_generation(
    language: str, kind: str, contract: str
) -> None:
    configuration = generator.configuration_of(language, kind, contract)
    # typescript-fetch has no such option, and writes none.
    if configuration["generatorName"] != "typescript-fetch":
        assert configuration["additionalProperties"]["hideGenerationTimestamp"] == "true"


def test_what_is_generated_is_kept_until_its_sources_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = generator.generated("csharp")
    monkeypatch.setenv("FLEXAGORA_JAVA", "/no/such/java")
    assert generator.generated("csharp") == folder  # without Java: nothing is generated
    before = generator.fingerprint("csharp")
    shutil.copytree(documents.ROOT / "sdk" / "csharp", tmp_path / "sdk" / "csharp")
    monkeypatch.setattr(generator, "SDK", tmp_path / "sdk")
    assert generator.fingerprint("csharp") == before
    template = tmp_path / "sdk" / "csharp" / "templates" / "server" / "api.mustache"
    template.write_text(template.read_text() + "\n")
    assert generator.fingerprint("csharp") != before


def test_a_missing_java_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLEXAGORA_JAVA", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--language", "java", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "Java is missing" in said
    assert "default-jre-headless" in said
    assert "FLEXAGORA_JAVA" in said


def test_what_the_generator_refuses_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(documents.ROOT / "sdk" / "csharp", tmp_path / "csharp")
    configuration = tmp_path / "csharp" / "client.yaml"
    configuration.write_text("generatorName: no-such-generator\n")
    monkeypatch.setattr(generator, "SDK", tmp_path)
    asked = ["--language", "csharp", "--contract", "metering", "--kind", "client"]
    assert main([*asked, "--output", str(tmp_path / "out")]) == 2
    assert "no-such-generator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("generatorName: ${contracts}\n", "contracts"),
        ("- a list\n", "not a mapping"),
    ],
)
def test_a_wrong_configuration_is_named(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "java").mkdir()
    (tmp_path / "java" / "client.yaml").write_text(text)
    monkeypatch.setattr(generator, "SDK", tmp_path)
    with pytest.raises(generator.CannotGenerate, match=rf"sdk/java/client\.yaml.*{said}"):
        generator.configuration_of("java", "client", "eu-mp")
    with pytest.raises(generator.CannotGenerate, match=r"no configuration sdk/java/server\.yaml"):
        generator.configuration_of("java", "server", "eu-mp")


def test_what_trying_an_example_out_has_left_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = generator.generated("java")
    shutil.copytree(documents.ROOT / "sdk" / "java", tmp_path / "java")
    monkeypatch.setattr(artifacts, "SDK", tmp_path)
    before = artifacts.contents("java", generated)
    for left in ("Aggregator.class", "var/journal", ".idea/project.json", "node_modules/a.json"):
        path = tmp_path / "java" / "example" / left
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert artifacts.contents("java", generated) == before
    (tmp_path / "java" / "README.md").unlink()
    with pytest.raises(generator.CannotGenerate, match=r"sdk/java/README\.md is missing"):
        artifacts.contents("java", generated)


def test_a_part_has_no_artifact(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--contract", "metering"])
    assert "--output" in capsys.readouterr().err


def test_the_generator_is_given_no_unique_items() -> None:
    schema = {
        "type": "object",
        "properties": {
            "uniqueItems": {"type": "boolean", "uniqueItems": True},
            "states": {"type": "array", "uniqueItems": True, "items": [{"uniqueItems": False}]},
        },
    }
    assert documents.prepared({"paths": {}, "x-generated": "by", "schema": schema}) == {
        "paths": {},
        "schema": {
            "type": "object",
            "properties": {
                "uniqueItems": {"type": "boolean"},
                "states": {"type": "array", "items": [{}]},
            },
        },
    }
    assert schema["properties"]["states"]["uniqueItems"] is True  # type: ignore[index]


def test_operations_are_named_without_their_folder() -> None:
    paths = {"/a": {"get": {"operationId": "catalogue.list"}, "summary": "No operation."}}
    prepared = documents.prepared({"paths": paths})
    assert prepared["paths"]["/a"]["get"]["operationId"] == "list"
    paths["/b"] = {"get": {"operationId": "delivery.list"}}
    with pytest.raises(documents.DocumentError, match="two operations are named list"):
        documents.prepared({"paths": paths})


def test_java_is_given_lists_where_others_are_given_one_or_many() -> None:
    def sent(language: str) -> object:
        schemas = generator._document(language, "flexoffer")["components"]["schemas"]
        return {name: schemas["FlexOffersToOffer"].get(name) for name in ("type", "oneOf")}

    assert sent("java") == {"type": "array", "oneOf": None}
    assert sent("csharp") == sent("typescript") != sent("java")


def test_a_union_of_other_things_is_refused_for_java(monkeypatch: pytest.MonkeyPatch) -> None:
    union = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
    path = Path("document.json")
    monkeypatch.setattr(documents, "document_path", lambda _: path)
    text = json.dumps({"paths": {}, "components": {"schemas": {"Either": union}}})
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    with pytest.raises(documents.DocumentError, match="Either is neither one thing nor a list"):
        documents.document("eu-mp", unions=False)


def test_only_contracts_have_a_document() -> None:
    with pytest.raises(documents.DocumentError, match="there is no contract weather; there are eu"):
        documents.document("weather")
