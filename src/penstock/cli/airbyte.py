"""`penstock airbyte`: a manifest as an Airbyte source; messages on stdout, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.cli.app import Group
from penstock.cli.context import App
from penstock.cli.options import base_url_option, deny_private_option, pass_app

if TYPE_CHECKING:
    from penstock.engine.protocol import Call

F = TypeVar("F", bound=Callable[..., Any])


def _file(option: str, help_text: str, *, required: bool = False) -> Callable[[F], F]:
    name = option.removeprefix("--").split("-")[0]
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(option, name, type=kind, required=required, metavar="FILE", help=help_text)


_manifest = _file("--manifest-path", "The manifest; without it, the configuration holds it.")
_components = _file(
    "--components-path", "The manifest's own classes, where they are not beside it; they are run."
)
_config = _file("--config", "The user's values as a JSON object.", required=True)
_catalog = _file("--catalog", "A configured catalog: the streams to read.", required=True)
_state = _file("--state", "What an earlier read gave as state.")


@click.group("airbyte", cls=Group)
def airbyte() -> None:
    """Run a manifest as an Airbyte source does: protocol messages on stdout, one a line.

    Takes the options of source-declarative-manifest, in whose place it can be put. Exits with 1 if
    a stream failed.
    """


@airbyte.command("spec")
@_manifest
@pass_app
def spec(app: App, manifest: Path | None) -> int:
    """Tell which values a manifest asks for."""
    return _run(app, "spec", manifest=manifest)


@airbyte.command("check")
@_config
@_manifest
@_components
@base_url_option
@deny_private_option
@pass_app
def check(app: App, /, **given: Any) -> int:
    """Try the connection with the streams that the manifest names for it."""
    return _run(app, "check", **given)


@airbyte.command("discover")
@_config
@_manifest
@_components
@base_url_option
@deny_private_option
@pass_app
def discover(app: App, /, **given: Any) -> int:
    """Tell which streams there are, with their schemas."""
    return _run(app, "discover", **given)


@airbyte.command("read")
@_config
@_catalog
@_state
@_manifest
@_components
@base_url_option
@deny_private_option
@pass_app
def read(app: App, /, **given: Any) -> int:
    """Read the streams of a catalog: records, and the state behind them."""
    return _run(app, "read", **given)


def _run(app: App, command: str, **given: Any) -> int:
    from penstock.engine import protocol  # noqa: PLC0415 (start-up stays fast)
    from penstock.engine.protocol.messages import Messages  # noqa: PLC0415 (the same)

    call: Call = protocol.Call(**given)
    messages = Messages(app.console.raw, app.console.redactor)
    code: int = getattr(protocol, command)(call, messages)
    return code
