"""`python -m examples.demo`: platforms integrate by themselves, before the reader's eyes."""

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from examples.demo.companies import DidNotHappen
from examples.demo.page import write_page
from examples.demo.processes import DidNotStart
from examples.demo.scenario import Scenario

OUTPUT = Path("var/demo")

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option(help="The folder for databases, logs and the page; emptied first.")
    ] = OUTPUT,
) -> None:
    """Run a marketplace and three platforms, and leave a page about what happened."""
    console = Console(highlight=False, soft_wrap=True)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    began = time.monotonic()
    scenario = Scenario(output, console)
    try:
        report = scenario.play()
    except (DidNotStart, DidNotHappen) as error:
        console.print(f"\n[red]The demonstration stopped:[/] {error}")
        console.print(f"The logs are in {output}.")
        sys.exit(1)
    finally:
        scenario.stop()
    page = output / "report.html"
    write_page(report, page)
    console.print()
    for check in report.checks:
        mark = "[green]✓[/]" if check.holds else "[red]✗[/]"
        console.print(f"{mark} {check.claim} [dim]{check.detail}[/]")
    console.print(
        f"\nFrom acceptance to first data: [b]{report.acceptance_to_first_data.total_seconds():.2f}"
        f" s[/]. The whole run: {time.monotonic() - began:.1f} s."
    )
    console.print(f"The page about this run: [b]{page.resolve().as_uri()}[/]")
    if not all(check.holds for check in report.checks):
        sys.exit(1)
    console.print(
        "A filled website to look around in, with a provider's, a requester's and an operator's "
        "sign-in: [b].venv/bin/flexagora serve --demo-data[/]"
    )


if __name__ == "__main__":
    app()
