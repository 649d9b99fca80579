"""`penstock plan`: what would be asked and written, offline."""

from __future__ import annotations

from typing import cast

import click
import msgspec

from penstock.cli import describe
from penstock.cli.app import Sourced
from penstock.cli.context import App
from penstock.cli.options import allow_code_option, json_option, pass_app, source_argument
from penstock.cli.session import compile_source, default_destination, target_of
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.plan.target import Target


@click.command(cls=Sourced)
@source_argument
@json_option
@allow_code_option
@pass_app
def plan(app: App, source: str, as_json: bool) -> None:  # noqa: FBT001 (a flag)
    """Show what a run of SOURCE would ask for and write. Nothing is asked of any API."""
    app.json = as_json
    compiled, plan_of_it = compile_source(app, source)
    if as_json:
        app.console.json(encoded(plan_of_it))
        return
    head = f"{plan_of_it.name} ({compiled.dialect})"
    for line in _lines(plan_of_it, head, target_of(compiled)):
        app.console.data(line)


def _lines(source: Source, head: str, target: Target) -> list[str]:
    schema = target.db_schema or source.name
    to = f"{default_destination(source, target.destination)}, schema {schema}"
    asked = list(describe.inputs(source))
    return [
        f"{head} → {to}",
        f"limits: {describe.limits(source)}",
        *(["values:", *(f"  {line}" for line in asked)] if asked else ["values: none"]),
        "streams:",
        *describe.tree(source),
    ]


def encoded(source: Source) -> JsonValue:
    """The plan as JSON values; a function of the user's document by its name."""
    return cast("JsonValue", msgspec.to_builtins(source, enc_hook=_by_name))


def _by_name(value: object) -> str:
    return getattr(value, "__qualname__", None) or type(value).__qualname__
