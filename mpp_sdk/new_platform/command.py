"""`flexagora new-platform`: writes a project that passes its own tests."""

from pathlib import Path
from typing import Annotated

import typer

from mpp_sdk.errors import FlexagoraError
from mpp_sdk.new_platform.writing import Project, Role, write


def new_platform(
    name: Annotated[
        str, typer.Argument(help="The folder and the package to make, such as my-platform.")
    ],
    role: Annotated[
        Role, typer.Option(help="Whether it gives readings to others or asks others for them.")
    ] = Role.PROVIDER,
    directory: Annotated[
        Path, typer.Option("--in", help="The folder to make it in.", file_okay=False)
    ] = Path(),
) -> None:
    """Write the project of a new platform: code, tests, settings, Dockerfile."""
    try:
        folder = write(Project(name, role), directory)
    except FlexagoraError as error:
        typer.echo(error.detail, err=True)
        raise SystemExit(2) from error
    except OSError as error:
        typer.echo(f"{error.filename}: {error.strerror}", err=True)
        raise SystemExit(2) from error
    typer.echo(f"{folder} is written. Next:")
    typer.echo(f"\n  cd {folder}\n  pip install -e '.[dev]'\n  pytest\n")
    typer.echo("Its README.md says how to serve it and how to try it with the conformance kit.")
