"""`python -m marketplace` is `flexagora`."""

from marketplace.cli import app

app(prog_name="flexagora")
