"""The command group: commands are imported when called, and every failure has one exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any, cast

import click
import msgspec

from penstock.cli.context import WRONG, App
from penstock.cli.failures import guarded
from penstock.errors import closest_or_all


class Known(msgspec.Struct, frozen=True):
    """A command that is not imported yet: where it stands, and what the help says of it."""

    module: str
    attribute: str
    help: str


COMMANDS: dict[str, Known] = {
    "demo": Known("demo", "demo", "Load the emulated APIs into demo.duckdb; needs no account."),
    "run": Known("run", "run", "Load a source into a destination."),
    "check": Known("check", "check", "Compile documents and say what is wrong, offline."),
    "plan": Known("plan", "plan", "Show what would be asked and written, offline."),
    "read": Known("read", "read", "Print a stream's records as JSON lines; store nothing."),
    "reshape": Known("reshape", "reshape", "Build tables again from kept pages; ask nothing."),
    "state": Known("state", "state", "Show, reset or import what the next run will start from."),
    "emulate": Known("emulate", "emulate", "Serve a bundled connector's API on this machine."),
    "connectors": Known("emulate", "connectors", "List the bundled connectors, or show one."),
    "airbyte": Known(
        "airbyte", "airbyte", "Run a manifest as an Airbyte source: messages on stdout."
    ),
    "version": Known("version", "version", "Print the version."),
}


def _want_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click passes it by position)
    del param
    if value:
        ctx.ensure_object(App).debug = True


def debug_option() -> click.Option:
    """`--debug`, which the group and every command take."""
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_want_debug,
        help="Show stack traces, with secrets masked.",
    )


class Command(click.Command):
    """A command that also takes `--debug`."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, and `--debug`."""
        own = super().get_params(ctx)
        return own if any(p.name == "debug" for p in own) else [*own, debug_option()]


class Sourced(Command):
    """A command of sources; what stands behind `--` are arguments of a source that is a script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments in front of `--`, and keep those behind it."""
        at = args.index("--") if "--" in args else len(args)
        ctx.ensure_object(App).arguments = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The parts of the line that says how it is called."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGUMENT...]"]


class Group(click.Group):
    """A group of commands that suggests the nearest one for a name it does not know."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; without any, show the help as a call that says nothing."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(WRONG)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command called, or an error that names the nearest."""
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            known = self.list_commands(ctx)
            hint = closest_or_all(name, known)
            raise click.UsageError(f"no command is called {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The top of the command line: imports a command's file when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order the help shows them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        del ctx
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        module = importlib.import_module(f"penstock.cli.{known.module}")
        return cast("click.Command", getattr(module, known.attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, known.help) for name, known in COMMANDS.items()])

    def main(  # type: ignore[override]  # the exit code is ours to decide
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 (click's own signature)
        **extra: Any,
    ) -> int:
        """Run a command and give its exit code, or end the process with it."""
        app: App = extra.setdefault("obj", App())

        def call() -> object:
            name = prog_name or "penstock"
            return super(LazyGroup, self).main(
                args, name, complete_var, standalone_mode=False, **extra
            )

        code = guarded(app, call)
        if standalone_mode:
            sys.exit(code)
        return code


@click.group(
    "penstock",
    cls=LazyGroup,
    params=[debug_option()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: penstock demo",
)
@click.version_option(package_name="penstock", message="%(version)s")
def cli() -> None:
    """Load REST APIs into a warehouse: complete, exactly once, as fast as the API allows.

    SOURCE is a dlt rest_api config or an Airbyte manifest as it stands, or a bundled connector.
    """


def launch(arguments: Sequence[str], app: App | None = None) -> int:
    """Run the command line on these arguments and give the exit code."""
    return cli.main(arguments, standalone_mode=False, obj=app or App())
