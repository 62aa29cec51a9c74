"""The descriptions of a deployment: what a container engine would say, and what it would not."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from marketplace.core.settings import Settings, check_names

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
OUR_IMAGE = (
    "flexagora:" + tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
)
# What a container engine gives them, who are not ours.
FOREIGN = {"proxy", "postgresql", "rabbitmq", "prometheus", "grafana"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    assert {"proxy", "web-1", "web-2", "worker-1", "worker-2", "migration"} <= found.keys()
    return found


def kubernetes() -> list[dict[str, Any]]:
    """Return every object of the manifests."""
    found = [
        one
        for file in sorted((DOCKER / "kubernetes" / "base").glob("*.yaml"))
        for one in yaml.safe_load_all(file.read_text())
        if file.name != "kustomization.yaml"
    ]
    assert len(found) > 10
    return found


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in kubernetes():
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


def test_compose_is_what_its_schema_says() -> None:
    checker = [sys.executable, "-m", "check_jsonschema"]
    done = subprocess.run(
        [*checker, "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_container_can_write_or_gain_rights(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        if name in FOREIGN:
            assert service["user"].partition(":")[0].isdecimal(), name
            assert not service["user"].startswith("0:"), name
            assert re.search(r":v?\d", service["image"]), name
        else:
            assert service["image"] == OUR_IMAGE, name


def test_only_the_proxy_is_reached_from_outside(
    compose: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"proxy", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in services["grafana"]["ports"])
    assert compose["networks"]["data"]["internal"] is True
    for name in ("postgresql", "rabbitmq"):
        assert services[name]["networks"] == ["data"]


def test_it_stops_later_than_it_drains(services: dict[str, dict[str, Any]]) -> None:
    for name in ("web-1", "web-2"):
        assert services[name]["environment"]["FLEXAGORA_DRAIN_DELAY"] == "PT5S"
        assert services[name]["environment"]["FLEXAGORA_DELIVER"] == "false"
        assert services[name]["stop_grace_period"] == "60s"
    template = (DOCKER / "nginx" / "nginx.conf.template").read_text()
    kept = re.search(
        r"upstream marketplace \{.*?keepalive_timeout (\d+)s;.*?\n    \}", template, re.S
    )
    assert kept
    assert int(kept.group(1)) < 5


def test_every_setting_that_is_given_exists(services: dict[str, dict[str, Any]]) -> None:
    given = [
        name
        for service, described in services.items()
        if service not in FOREIGN
        for name in described.get("environment", {})
    ]
    dockerfile = (DOCKER / "Dockerfile").read_text()
    given += re.findall(r"\b(FLEXAGORA_[A-Z_]+)=", dockerfile)
    for one in kubernetes():
        if one["kind"] == "ConfigMap":
            given += one["data"]
    for _, pod in pods():
        given += [each["name"] for each in pod["containers"][0].get("env", [])]
    assert len(given) > 20
    check_names(given)


def test_the_proxy_is_given_what_its_configuration_asks_for(
    services: dict[str, dict[str, Any]],
) -> None:
    template = (DOCKER / "nginx" / "nginx.conf.template").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+)\}", template))
    assert asked == set(services["proxy"]["environment"])


def test_the_script_makes_every_secret_once(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = shutil.copy(DOCKER / "secrets.sh", tmp_path)
    subprocess.run([script], check=True)
    made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    asked = {Path(secret["file"]).name for secret in compose["secrets"].values()}
    assert asked <= made.keys()
    subprocess.run([script], check=True)
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == made
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("FLEXAGORA_SECRETS_DIR", str(tmp_path / "secrets"))
    settings = Settings()
    settings.check_keys()
    assert made["postgresql_password"].strip() in settings.effective_database_url
    assert made["rabbitmq_password"].strip() in settings.broker_url


def test_the_files_that_are_mounted_are_there(compose: dict[str, Any]) -> None:
    for config in compose["configs"].values():
        assert (DOCKER / config["file"]).is_file()


def test_the_final_images_have_no_tools_and_no_root() -> None:
    stages = (DOCKER / "Dockerfile").read_text().split("\nFROM ")[1:]
    names = [stage.splitlines()[0].split(" AS ")[1] for stage in stages]
    assert names == ["build", "runtime", "platform", "marketplace"]
    runtime, platform, marketplace = stages[1:]
    assert "USER 10001:10001" in runtime
    assert "apt-get" not in "".join(stages)
    assert "constraint constraints.txt" in stages[0]
    for final in (platform, marketplace):
        assert final.startswith("runtime AS")
        assert "HEALTHCHECK" in final
        assert "USER" not in final
        assert "RUN" not in final


@pytest.mark.parametrize("version", ["1.29", "1.33"])
def test_the_manifests_are_what_kubernetes_says(version: str) -> None:
    for one in kubernetes():
        kubernetes_validate.validate(one, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_seen() -> None:
    [service] = [one for one in kubernetes() if one["kind"] == "Service"]
    service["spec"]["sessionAfinity"] = "None"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, "1.33", strict=True)


def test_the_pods_keep_to_the_restricted_standard() -> None:
    found = dict(pods())
    assert set(found) == {"web", "worker", "migration"}
    for pod in found.values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # they would look like settings
        [container] = pod["containers"]
        assert container["image"] == OUR_IMAGE
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
    for name in ("web", "worker"):
        [container] = found[name]["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert found[name]["terminationGracePeriodSeconds"] == 60


def test_selectors_find_their_pods() -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in kubernetes()
        if one["kind"] in {"Deployment", "Job"}
    }
    for one in kubernetes():
        selector = one.get("spec", {}).get("selector") or one.get("spec", {}).get("podSelector")
        if not selector or one["kind"] == "Job":
            continue
        wanted = selector.get("matchLabels", selector if one["kind"] == "Service" else {})
        assert any(wanted.items() <= each.items() for each in labels.values()), one["metadata"]
