"""Settings from files, where a secret must not be in the environment."""

import os
from pathlib import Path

from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

SUFFIX = "SECRETS_DIR"


class SettingsWithFiles(BaseSettings):
    """Settings that are also read from the folder that `<PREFIX>SECRETS_DIR` names.

    A file is named like the variable, in small or capital letters, and holds its value; the
    variable itself goes before it. This is how containers are given secrets.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings are looked for, the first that has one wins.

        Raises FileNotFoundError when the folder is not there: secrets that were not mounted must
        not become defaults.
        """
        named = os.environ.get(f"{settings_cls.model_config.get('env_prefix', '')}{SUFFIX}")
        if not named:
            return init_settings, env_settings
        folder = Path(named)
        if not folder.is_dir():
            raise FileNotFoundError(2, "There is no such folder of secrets:", named)
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, folder)
