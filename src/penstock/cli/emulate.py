"""`penstock emulate` and `penstock connectors`: what is bundled, to look at and to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from penstock.cli import describe
from penstock.cli.app import Command
from penstock.cli.context import DONE, App
from penstock.cli.options import json_option, names, pass_app
from penstock.cli.session import compile_source
from penstock.cli.summary import table
from penstock.errors import Error, Place, PlanError
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source

if TYPE_CHECKING:
    from penstock.emulator import Settings

_DAY_MS = 86_400_000
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_RATE = pattern(r"(\d+(?:\.\d+)?)(?:/([smh]))?")
_CREDENTIALS = ("api_key", "client_id", "client_secret", "api_token")
_ASKS = {
    "messaging": ("api_key",),
    "chat": ("client_id", "client_secret"),
    "dixa": ("api_token", "start_timestamp"),
}


def credentials(name: str, settings: Settings) -> dict[str, str]:
    """What an emulated API must be asked with, and from when on it has data."""
    start = settings.now_ms - settings.days * _DAY_MS
    known = {field: getattr(settings, field) for field in _CREDENTIALS}
    known["start_timestamp"] = str(start)
    return {field: known[field] for field in _ASKS[name]}


def _read_rate(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    """Requests a second."""
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{text!r} is no rate: write 10/s, 300/m or 5000/h", ctx, param)
    return float(found[1]) / _UNITS[found[2] or "s"]


def _read_faults(
    ctx: click.Context, param: click.Parameter, text: str
) -> tuple[float, tuple[str, ...]]:
    """The probability of an everyday fault, and rules that say which strikes which request."""
    if Path(text).is_file():
        return 0.0, tuple(_rules(Path(text)))
    if "@" in text:
        return 0.0, names((text,))
    try:
        chance = float(text)
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        said = (
            f"{text!r} is neither a probability from 0 to 1 nor KIND@RATE nor a file of such rules"
        )
        raise click.BadParameter(said, ctx, param)
    return chance, ()


def _rules(path: Path) -> Iterator[str]:
    """The rules of a file, one a line; a line that begins with `#` is a remark.

    Raises:
        PlanError: a line is no rule; the message names it.
    """
    from penstock.emulator.faults import parse_rule  # noqa: PLC0415 (only the emulator has rules)

    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            parse_rule(text)
        except PlanError as exc:
            (told,) = exc.diagnostics
            place = Place(file=str(path), line=number, column=1, text=line)
            raise PlanError([msgspec.structs.replace(told, place=place)]) from None
        yield text


@click.command(cls=Command)
@click.argument("name", metavar="NAME")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: a free one]")
@click.option(
    "--records",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Records of the main stream; the others scale with it.",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="MS",
    help="Wait before answers.",
)
@click.option("--rate", callback=_read_rate, metavar="N/s", help="Answer 429 above this rate.")
@click.option(
    "--faults",
    callback=_read_faults,
    default="0",
    metavar="P",
    help="The probability of a fault, or rules: KIND@0.05, KIND@#3 (the third), KIND@#3+; or a "
    "file of such rules, one a line.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides every record.")
@pass_app
def emulate(  # noqa: PLR0913 (one argument for each option)
    app: App,
    *,
    name: str,
    port: int,
    records: int,
    latency: float,
    rate: float | None,
    faults: tuple[float, tuple[str, ...]],
    seed: int,
) -> int:
    """Serve the API of connector NAME on this machine until interrupted.

    Its URL is the first line on stdout, as soon as it listens.
    """
    from penstock.emulator import EMULATORS, Settings, serve_forever  # noqa: PLC0415 (a server)

    _require(name, EMULATORS)
    chance, rules = faults
    settings = Settings(
        records=records, seed=seed, latency_ms=latency, rate=rate, faults=chance, rules=rules
    )

    def on_ready(url: str) -> None:
        app.console.data(url)
        for line in _greeting(name, settings, url):
            app.console.say(line)

    try:
        serve_forever(name, settings, port, on_ready)
    except OSError as exc:
        reason = f"port {port} cannot be had: {exc.strerror or exc}"
        hint = "leave --port out to take one that is free"
        raise Error(reason, code="port-taken", hint=hint) from exc
    return DONE


def _greeting(name: str, settings: Settings, url: str) -> list[str]:
    sets = " ".join(f"--set {k}={v}" for k, v in credentials(name, settings).items())
    return [
        f"the {name} API listens with {settings.records:,} records; Ctrl-C ends it",
        f"  load it: penstock run {name} --base-url {url} {sets}",
    ]


def _require(name: str, known: Iterable[str]) -> None:
    if name not in known:
        there = ", ".join(sorted(known))
        raise click.UsageError(f"nothing bundled is called {name!r}; there are: {there}")


@click.command(cls=Command)
@click.argument("name", metavar="[NAME]", required=False)
@json_option
@pass_app
def connectors(app: App, name: str | None, as_json: bool) -> None:  # noqa: FBT001 (a flag)
    """List the bundled connectors, or show what connector NAME needs and gives."""
    app.json = as_json
    from penstock import connectors as bundled  # noqa: PLC0415 (looks its files up)

    if name is not None:
        _require(name, bundled.names())
    wanted = bundled.names() if name is None else (name,)
    known = [(compile_source(app, n)[1], bundled.describe(n)) for n in wanted]
    if as_json:
        entries = [_entry(*one) for one in known]
        app.console.json(entries[0] if name is not None else {"connectors": list(entries)})
    elif name is not None:
        _show(app, *known[0])
    else:
        rows = [(source.name, _needs(source), said) for source, said in known]
        for line in table(rows, ("connector", "needs", "loads")):
            app.console.data(line)


def _needs(source: Source) -> str:
    return ", ".join(i.name for i in source.inputs if i.required and i.default is None)


def _entry(source: Source, said: str) -> dict[str, JsonValue]:
    inputs: list[JsonValue] = msgspec.to_builtins(source.inputs)
    streams: list[JsonValue] = [
        {
            "name": s.name,
            "table": s.table,
            "parents": list(describe.parents(s.partition)),
        }
        for s in source.streams
    ]
    return {"name": source.name, "description": said, "inputs": inputs, "streams": streams}


def _show(app: App, source: Source, said: str) -> None:
    app.console.data(f"{source.name}: {said}")
    app.console.data("values:")
    for line in describe.inputs(source):
        app.console.data(f"  {line}")
    app.console.data("streams:")
    for stream in source.streams:
        app.console.data(f"  {stream.name}: {describe.table(stream)}")
    app.console.data(f"try it: penstock emulate {source.name}")
