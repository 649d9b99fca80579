"""`penstock demo`: the emulated APIs loaded into one DuckDB file; no account, no network."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli.app import Command
from penstock.cli.context import App
from penstock.cli.display import progress
from penstock.cli.emulate import credentials
from penstock.cli.engine import Result
from penstock.cli.options import pass_app
from penstock.cli.session import Opened, open_source
from penstock.cli.summary import (
    EXIT_CODES,
    duckdb_file,
    qualified,
    query_command,
    show_remarks,
    show_table,
)
from penstock.plan.expr import JsonValue

if TYPE_CHECKING:
    from penstock.emulator import EmulatorServer

RECORDS = 2000
_GROWTH = 20  # a later run finds one new record for every so many
_HEAD = ("schema", "stream", "status", "rows", "requests", "warnings")
_WORST = ("interrupted", "failed", "partial", "done")

QUERIES = {
    "which agents write the most": """
        SELECT a.first_name AS agent, count(*) AS messages
        FROM messaging.conversations_messages m JOIN messaging.agents a ON a.id = m.actor_id
        GROUP BY ALL ORDER BY messages DESC, agent LIMIT 5""",
    "messages a day": """
        SELECT CAST("timestamp" AS DATE) AS day, count(*) AS messages
        FROM chat.chat_messages GROUP BY ALL ORDER BY day DESC LIMIT 7""",
    "how long conversations take": """
        SELECT initial_channel, round(avg(total_duration) / 3600000, 1) AS hours
        FROM dixa.conversation_export GROUP BY ALL ORDER BY hours DESC""",
}
"""What is worth asking of the demo's data, each on one line once printed."""


@click.command(cls=Command)
@click.option(
    "--records",
    type=click.IntRange(min=1),
    default=RECORDS,
    show_default=True,
    help="Messages and conversations in each API.",
)
@click.option("--to", default="demo.duckdb", show_default=True, metavar="DEST", help="Where to.")
@click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong, and the result.")
@pass_app
def demo(app: App, *, records: int, to: str, quiet: bool) -> int:
    """Load the emulated APIs into a DuckDB file; no account and no network are needed.

    Run it twice: the APIs have grown by then, and the second run asks for what is new.
    """
    from penstock.emulator import EMULATORS, EmulatorServer, Settings  # noqa: PLC0415 (a server)

    file = duckdb_file(to)
    again = file is not None and Path(file).exists()
    settings = Settings(records=records)
    results: list[Result] = []
    with contextlib.ExitStack() as stack:
        for name in EMULATORS:
            server = stack.enter_context(EmulatorServer(name, settings))
            if again:
                server.advance(max(10, records // _GROWTH))
            results.append(_load(app, server, to, quiet=quiet))
            if results[-1].status == "interrupted":
                break
    _summarize(app, results, to, again=again)
    return EXIT_CODES[min((r.status for r in results), key=_rank)]


def _rank(status: str) -> int:
    return _WORST.index(status) if status in _WORST else len(_WORST)


def _load(app: App, server: EmulatorServer, to: str, *, quiet: bool) -> Result:
    sets: dict[str, JsonValue] = dict(credentials(server.name, server.settings))
    opened: Opened = open_source(app, server.name, sets)
    options = app.engine.Options(base_url=server.url, db_schema=server.name)
    with progress(app.console, quiet=quiet) as shown:
        return app.engine.execute(opened.source, opened.values, to, options, shown.on_event)


def _summarize(app: App, results: list[Result], to: str, *, again: bool) -> None:
    rows = [
        (
            result.db_schema,
            receipt.stream,
            receipt.status,
            f"{receipt.rows:,}",
            f"{receipt.requests:,}",
            f"{len(receipt.warnings):,}",
        )
        for result in results
        for receipt in result.receipts
    ]
    show_table(app.console, rows, _HEAD)
    for result in results:
        show_remarks(app.console, result.receipts, ())
    seconds = sum(r.seconds for r in results)
    app.console.say(f"{to}: loaded in {seconds:.1f} s")
    if again:
        app.console.say(
            "  the file was there already: since then each API has grown and some records changed;"
            " this run asked for what is new where an API can say what is"
        )
    file = duckdb_file(to)
    if file is not None and Path(file).exists():
        _show_queries(app, file)


def _show_queries(app: App, file: str) -> None:
    app.console.say("worth asking:")
    queries = {what: in_file(one_line(sql), file) for what, sql in QUERIES.items()}
    for what, sql in queries.items():
        app.console.say(f"  {sql};  -- {what}")
    what, sql = next(iter(queries.items()))
    app.console.say(f"{what}:")
    app.console.say(_answer(file, sql))


def in_file(sql: str, file: str) -> str:
    """A query with its schemas named so that they are not taken for the file."""
    return re.sub(r"\b(FROM|JOIN) (\w+)\.", lambda m: f"{m[1]} {qualified(file, m[2])}.", sql)


def one_line(sql: str) -> str:
    """A query on one line."""
    return " ".join(sql.split())


def _answer(file: str, sql: str) -> str:
    """What a query gives, asked by the very command that people are told to use."""
    command = query_command(file, sql)
    done = subprocess.run(  # noqa: S603 (our own query)
        command,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    return (done.stdout or done.stderr).rstrip()
