"""The settings with which the processes run on the loopback address, without TLS."""

from dataclasses import dataclass
from pathlib import Path


def marketplace_environment(folder: Path, port: int) -> dict[str, str]:
    """Return the settings of a marketplace that keeps its database and its key in a folder."""
    return {
        "FLEXAGORA_DATA_DIR": str(folder / "marketplace"),
        "FLEXAGORA_PORT": str(port),
        "FLEXAGORA_ALLOW_PRIVATE_ADDRESSES": "true",
        "FLEXAGORA_ALLOW_HTTP": "true",
        "FLEXAGORA_ACCESS_LOG": str(folder / "marketplace.access.jsonl"),
    }


@dataclass(frozen=True)
class PlatformSecrets:
    """The first keys of a platform. Without a signing secret it takes unsigned events."""

    inbound_key: str
    api_key: str
    signing_secret: str = ""


def platform_environment(
    folder: Path, label: str, name: str, port: int, marketplace_url: str, given: PlatformSecrets
) -> dict[str, str]:
    """Return the settings of a platform; its database and its access log are named by the label."""
    return {
        "MPP_NAME": name,
        "MPP_PORT": str(port),
        "MPP_DATABASE_URL": f"sqlite:///{folder / label}.db",
        "MPP_MARKETPLACE_URL": marketplace_url,
        "MPP_API_KEY": given.api_key,
        "MPP_INBOUND_API_KEY": given.inbound_key,
        "MPP_SIGNING_SECRETS": given.signing_secret,
        "MPP_ALLOW_PRIVATE_ADDRESSES": "true",
        "MPP_ALLOW_HTTP": "true",
        "MPP_ACCESS_LOG": str(folder / f"{label}.access.jsonl"),
    }
