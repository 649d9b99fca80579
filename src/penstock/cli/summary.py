"""How a run went: a table of receipts, what is missing and what to do, and where the data is."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Container, Sequence
from pathlib import Path

import msgspec

from penstock.cli.console import Console, clean
from penstock.cli.context import DONE, FAILED, INTERRUPTED, PARTIAL
from penstock.cli.diagnostics import as_json, width
from penstock.cli.display import status_style
from penstock.cli.engine import Result
from penstock.errors import Diagnostic
from penstock.events import Failure, Receipt, Status
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue

EXIT_CODES: dict[Status, int] = {
    "done": DONE,
    "skipped": DONE,
    "partial": PARTIAL,
    "failed": FAILED,
    "interrupted": INTERRUPTED,
}
_NEXT: dict[Status, str] = {
    "partial": "what is kept stays: the same command asks again only for what is missing",
    "failed": "what was committed stays: the same command goes on from there",
    "interrupted": "stopped at a checkpoint: the same command goes on from there",
}
_BARE = pattern(r"[\w./:=@%+-]+")
_NO_MAGIC = pattern(r'[^"$`\\!]*')
_PLAIN_NAME = pattern(r"[a-z_][a-z0-9_]*")
_MOST_SHOWN = 20  # failures or warnings of one stream; the receipt in the destination has them all


def summarize(console: Console, result: Result, told: Container[tuple[str, str]]) -> None:
    """Say how a run went; `told` holds what was said of streams already."""
    if result.receipts:
        show_table(console, [_row(r) for r in result.receipts], HEAD)
    show_remarks(console, result.receipts, told)
    where = f"{result.source} → {result.destination}, schema {result.db_schema}"
    status = console.style(result.status, "bold", status_style(result.status))
    console.say(f"{clean(where)}: {status} in {result.seconds:.1f} s")
    if result.status in _NEXT:
        console.say(f"  {_NEXT[result.status]}")
    command = look_command(result)
    if command:
        console.say(f"  look at it: {command}")


def show_remarks(
    console: Console, receipts: Sequence[Receipt], told: Container[tuple[str, str]]
) -> None:
    """Say what is missing, and what a user should look at."""
    for receipt in receipts:
        for failure in receipt.failures[:_MOST_SHOWN]:
            _show_failure(console, receipt.stream, failure)
        fresh = [w for w in receipt.warnings if (receipt.stream, w.message) not in told]
        for note in fresh[:_MOST_SHOWN]:
            head = console.style(f"warning[{note.code}]", "bold", "yellow")
            console.say(f"{head} {clean(receipt.stream)}: {clean(note.message)}")
        more = max(0, len(receipt.failures) - _MOST_SHOWN) + max(0, len(fresh) - _MOST_SHOWN)
        if more:
            console.say(f"  {clean(receipt.stream)}: and {more:,} more, all in --json")


def _show_failure(console: Console, stream: str, failure: Failure) -> None:
    head = console.style(f"missing[{failure.code}]", "bold", "red")
    part = f" {failure.slice}" if failure.slice else ""
    console.say(f"{head} {clean(stream + part)}: {clean(failure.message)}")
    if failure.place:
        console.say(f"  at: {clean(failure.place)}")
    if failure.request:
        console.say(f"  request: {clean(failure.request)}")
    if failure.hint:
        console.say(f"  hint: {clean(failure.hint)}")


HEAD = ("stream", "status", "rows", "requests", "warnings", "seconds")
_RIGHT = frozenset({"rows", "requests", "warnings", "seconds"})


def _row(receipt: Receipt) -> tuple[str, ...]:
    return (
        receipt.stream,
        receipt.status,
        f"{receipt.rows:,}",
        f"{receipt.requests:,}",
        f"{len(receipt.warnings):,}",
        f"{receipt.seconds:.1f}",
    )


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> list[str]:
    """Rows below a head, aligned by what a terminal shows, a line each."""
    texts = [[clean(c) for c in row] for row in (head, *rows)]
    widths = [max(width(row[i]) for row in texts) for i in range(len(head))]
    right = [name in _RIGHT for name in head]
    return ["  ".join(map(_aligned, row, widths, right)).rstrip() for row in texts]


def show_table(console: Console, rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Show rows below a head on stderr."""
    first, *others = table(rows, head)
    console.say(console.style(first, "bold"))
    for line in others:
        console.say(line)
    console.say()


def _aligned(text: str, columns: int, right: bool) -> str:  # noqa: FBT001 (mapped over)
    space = " " * (columns - width(text))
    return space + text if right else text + space


def look_command(result: Result) -> str | None:
    """The command that shows the first rows of what was loaded, if anything was."""
    loaded = max(result.receipts, key=lambda r: r.rows, default=None)
    file = duckdb_file(result.destination)
    if loaded is None or file is None or (result.status == "failed" and not loaded.rows):
        return None
    sql = f"FROM {qualified(file, result.db_schema)}.{quoted(loaded.table)} LIMIT 10"
    return _typed(query_command(file, sql))


def query_command(file: str, sql: str) -> list[str]:
    """What runs a query on a DuckDB file: its own shell where there is one, else this Python."""
    from shutil import which  # noqa: PLC0415 (it brings every kind of archive along)

    if which("duckdb"):
        return ["duckdb", "-readonly", file, "-c", sql]
    code = f"import duckdb; c = duckdb.connect({file!r}, read_only=True); c.sql({sql!r}).show()"
    python = "python" if which("python") == sys.executable else sys.executable
    return [python, "-c", code]


def _typed(command: Sequence[str]) -> str:
    """A command as it is typed into a shell, with the plainest quotes that do."""
    return " ".join(
        word
        if _BARE.fullmatch(word)
        else f'"{word}"'
        if _NO_MAGIC.fullmatch(word)
        else shlex.quote(word)
        for word in command
    )


def duckdb_file(destination: str) -> str | None:
    """The file of a DuckDB destination, or None."""
    path = destination
    for prefix in ("duckdb://", "duckdb:"):
        path = path.removeprefix(prefix)
    other = path == destination and re.match(r"[a-z][a-z0-9+.-]+:", destination)
    return None if other else str(Path(path).expanduser())


def qualified(file: str, db_schema: str) -> str:
    """A schema of a DuckDB file as SQL takes it.

    DuckDB calls a database by its file's name, up to the first dot. Where the schema has that name
    too, the two stand together: alone it would be ambiguous.
    """
    schema = quoted(db_schema)
    same = Path(file).name.partition(".")[0].lower() == db_schema.lower()
    return f"{schema}.{schema}" if same else schema


def quoted(identifier: str) -> str:
    """An identifier as SQL takes it."""
    if _PLAIN_NAME.fullmatch(identifier):
        return identifier
    return '"' + identifier.replace('"', '""') + '"'


def status_of(results: Sequence[Result]) -> Status:
    """How several runs went as one: failed only where nothing else came of any."""
    statuses = {result.status for result in results}
    if "interrupted" in statuses:
        return "interrupted"
    if statuses <= {"done", "skipped"}:
        return "done"
    return "failed" if statuses == {"failed"} else "partial"


def results_json(
    results: Sequence[tuple[Result, Sequence[Diagnostic]]],
) -> dict[str, JsonValue]:
    """The run as `run --json` gives it; several of a script as `runs`, with the status of all."""
    found: list[JsonValue] = [result_json(result, said) for result, said in results]
    if len(results) == 1:
        return result_json(*results[0])
    return {"status": status_of([result for result, _ in results]), "runs": found}


def result_json(result: Result, said: Sequence[Diagnostic]) -> dict[str, JsonValue]:
    """The run as `run --json` gives it."""
    return {
        "run_id": result.run_id,
        "source": result.source,
        "destination": result.destination,
        "db_schema": result.db_schema,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "streams": [stream_json(r) for r in result.receipts],
        "diagnostics": [as_json(d) for d in said],
    }


def stream_json(receipt: Receipt) -> dict[str, JsonValue]:
    """A stream's receipt, the stream called `name`."""
    fields: dict[str, JsonValue] = msgspec.to_builtins(receipt)
    return {"name": fields.pop("stream"), **fields}
