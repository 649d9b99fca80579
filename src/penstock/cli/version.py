"""`penstock version`, where it is called with options; without any, no import is needed for it."""

from __future__ import annotations

import click

from penstock import __version__
from penstock.cli.app import Command
from penstock.cli.context import App
from penstock.cli.options import pass_app


@click.command(cls=Command)
@pass_app
def version(app: App) -> None:
    """Print the version."""
    app.console.data(__version__)
