"""Options that several commands take, and how their texts are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
import msgspec

from penstock.plan.expr import JsonValue
from penstock.plan.hints import Nesting

F = TypeVar("F", bound=Callable[..., Any])

pass_app = click.pass_obj
source_argument = click.argument("source", metavar="SOURCE")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)
base_url_option = click.option(
    "--base-url",
    metavar="URL",
    help="Ask this origin instead of the document's: an emulator, a proxy.",
)
deny_private_option = click.option(
    "--deny-private",
    is_flag=True,
    help="Ask no private, loopback or link-local address, wherever a document or an answer leads.",
)
takeover_option = click.option(
    "--takeover", is_flag=True, help="Take the destination over from a run that is dead."
)

nesting_option = click.option(
    "--nesting",
    type=click.Choice(get_args(Nesting)),
    metavar="HOW",
    help="What nested values become: tables, json or struct. [default: as the document says]",
)


def _want_code(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001 (click passes it by position)
    del param
    if value:
        ctx.obj.allow_code = True


def _take_components(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    del param
    ctx.obj.components = value or ctx.obj.components


_allow_code = click.option(
    "--allow-code",
    is_flag=True,
    expose_value=False,
    callback=_want_code,
    help="Execute Python inside a .md or .txt too; a .py that is named always is, where needed.",
)
_components = click.option(
    "--components",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.py",
    expose_value=False,
    callback=_take_components,
    help="The classes of an Airbyte manifest. [default: components.py beside it]",
)


def allow_code_option(command: F) -> F:
    """`--allow-code` and `--components`."""
    return _allow_code(_components(command))


def value_options(command: F) -> F:
    """`--set` and `--config`."""
    add_set = click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_read_sets,
        help="A value the document asks for; NAME:=JSON for one that is not text. May be repeated.",
    )
    add_config = click.option(
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE.json",
        callback=_read_config,
        help="Values as a JSON object, also nested as Airbyte's are.",
    )
    return add_set(add_config(command))


def destination_options(command: F) -> F:
    """`--to` and `--db-schema`."""
    add_to = click.option(
        "--to",
        metavar="DEST",
        help="Where to: x.duckdb, parquet:DIR, a URL. [default: <source>.duckdb]",
    )
    add_schema = click.option(
        "--db-schema", metavar="NAME", help="The schema of the tables. [default: <source>]"
    )
    return add_to(add_schema(command))


select_option = click.option(
    "--select",
    multiple=True,
    metavar="NAME,NAME",
    callback=lambda _ctx, _param, given: names(given),
    help="Only these streams.",
)


def names(given: tuple[str, ...]) -> tuple[str, ...]:
    """The names in comma-separated lists, each once."""
    split = (name.strip() for text in given for name in text.split(","))
    return tuple(dict.fromkeys(name for name in split if name))


def _read_sets(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> dict[str, JsonValue]:
    del ctx, param
    return dict(read_set(text) for text in given)


def read_set(text: str) -> tuple[str, JsonValue]:
    """A name and its value from `name=text` or `name:=json`."""
    name, equals, value = text.partition("=")
    typed = name.endswith(":")
    name = name.removesuffix(":").strip()
    if not equals or not name:
        # The text itself stays unsaid: it may be a secret without its name.
        raise click.BadParameter("write it as NAME=VALUE, or NAME:=JSON")
    return name, _decoded(name, value) if typed else value


def _decoded(name: str, text: str) -> JsonValue:
    try:
        decoded: JsonValue = msgspec.json.decode(text)
    except msgspec.DecodeError as exc:
        raise click.BadParameter(f"what stands behind {name}:= is not JSON: {exc}") from exc
    return decoded


def _read_config(
    ctx: click.Context, param: click.Parameter, path: Path | None
) -> Mapping[str, JsonValue] | None:
    del param
    if path is None:
        return None
    ctx.obj.values_file = path
    try:
        decoded = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as exc:
        raise click.BadParameter(f"{path} is not JSON: {exc}") from exc
    if not isinstance(decoded, dict):
        raise click.BadParameter(f"{path} holds no JSON object")
    return decoded
