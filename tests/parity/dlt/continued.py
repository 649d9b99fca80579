"""Datasets that dlt and Penstock load in turns, and how they are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
from tests.parity.dlt import dump
from tests.parity.dlt.data import Record, answer, config, resource
from tests.parity.dlt.harness import Config, Oracle
from tests.parity.dlt.server import Ask, Reply, Stage

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import Options, Result, execute
from penstock.plan.source import Source

ENDPOINT = {"data_selector": "data", "paginator": "single_page"}
SINCE = {"cursor_path": "at", "initial_value": 0, "start_param": "since"}
RESTORE = {"RESTORE_FROM_DESTINATION": "true"}
NESTED = {"l": [1, {"deep": [3, 4]}], "o": {"userName": "x"}}


def merging(strategy: str) -> dict[str, Any]:
    """The hints of a resource that is merged."""
    key = {} if strategy == "scd2" else {"primary_key": "id"}
    return {"write_disposition": {"disposition": "merge", "strategy": strategy}, **key}


def everything(base: str) -> Config:
    """Resources of every disposition, with and without a cursor."""
    moving = {**ENDPOINT, "path": "events", "incremental": SINCE}
    flat = {**ENDPOINT, "path": "flat"}
    nested = {**ENDPOINT, "path": "things"}
    return config(
        base,
        resource("appended", nested, write_disposition="append"),
        resource("replaced", flat, write_disposition="replace"),
        resource("merged", nested, **merging("delete-insert")),
        resource("upserted", flat, **merging("upsert")),
        resource("inserted", flat, **merging("insert-only")),
        resource("versions", nested, **merging("scd2")),
        resource("moving", moving, write_disposition="append"),
        resource("moving_by_key", moving, write_disposition="append", primary_key="id"),
    )


def noted(base: str, strategy: str, hints: Any) -> Config:
    """Things whose notes stand for themselves."""
    things = {**ENDPOINT, "path": "noted"}
    said = {"nested_hints": {"notes": hints}, **merging(strategy)}
    return config(base, resource("things", things, **said))


def _noted(which: int) -> list[Record]:
    """Things with notes and marks of these: one note stays, one is changed, and one is new."""
    marks = [{"n": which, "of": [which]}, {"n": 9, "of": [1, 2]}]
    changing = {"n": 2, "text": f"of run {which}", "marks": marks}
    notes = [{"n": 1, "marks": [{"n": 0}]}, changing, {"n": 10 + which}]
    return [{"id": 1, "notes": notes}, {"id": 1 + which, "notes": [{"n": 20 + which}]}]


def _things(which: int) -> list[Record]:
    """Things of a run: 1 never changes, 2 does, and each run brings another."""
    held = [{"id": 1, "great": 1e300, **NESTED}, {"id": 2, "Name": f"of run {which}", "l": [which]}]
    more: Record = {"id": 2 + which, "l": [], "o": {"userName": "y"}}
    if which > 1:
        more |= {"newColumn": 1.5, "new": [[1]], "l": ["a text where a number was"]}
    if which > 2:
        more |= {"third": True, "l": [{"deep": [5], "later": "x"}]}
    return [*held, more]


def _flat(which: int) -> list[Record]:
    """The same without anything below."""
    return [{k: v for k, v in t.items() if not isinstance(v, list)} for t in _things(which)]


def _events(which: int) -> list[Record]:
    """Events up to a run's; the newest of each run comes again in the next."""
    return [{"id": n, "at": n // 2} for n in range(1, 4 * which + 1)]


def below(base: str, count: int = 2, **hints: Any) -> Config:
    """Comments of posts, each post with a cursor of its own where the engine has one."""
    posts = {**ENDPOINT, "path": "posts", "params": {"count": count}}
    comments = {**ENDPOINT, "path": "posts/{resources.posts.id}/comments", "incremental": SINCE}
    return config(
        base,
        resource("posts", posts, primary_key="id", write_disposition="merge"),
        resource("comments", comments, **hints),
    )


# What posts have in each run, by the values of their cursor: one is ahead, one behind, and one has
# nothing for long.
COMMENTS = {
    1: ([1, 2], [1, 2], []),
    2: ([1, 2, 5], [1, 2, 3], []),
    3: ([1, 2, 5, 6], [1, 2, 3, 4], [2]),
}


def written(which: int, count: int = 2) -> list[str]:
    """The comments that the first posts have in a run."""
    held = enumerate(COMMENTS[which][:count])
    return sorted(f"{post}-{at}" for post, values in held for at in values)


def _comments(ask: Ask) -> list[Record]:
    post = int(ask.path.split("/")[2])
    values = COMMENTS[ask.round][post]
    return [{"id": f"{post}-{at}", "at": at} for at in values if at >= ask.number("since")]


def api(ask: Ask) -> Reply:
    """Serve the run's things, and the events since the value that is asked for."""
    if ask.path == "/posts":
        return answer([{"id": post} for post in range(ask.number("count"))])
    if ask.path.startswith("/posts/"):
        return answer(_comments(ask))
    if ask.path == "/events":
        since = ask.number("since")
        return answer([e for e in _events(ask.round) if e["at"] >= since])
    if ask.path == "/noted":
        return answer(_noted(ask.round))
    if ask.path == "/quiet":
        return answer(_events(1))
    return answer((_flat if ask.path == "/flat" else _things)(ask.round))


class Turns:
    """One dataset, loaded by one engine after the other."""

    def __init__(self, folder: Path, stage: Stage, oracle: Oracle, name: str = "turns") -> None:
        self.folder = folder
        self.file = folder / "dlt.duckdb"
        self._stage = stage
        self._oracle = oracle
        self._name = name
        self.rounds = 0

    def dlt(self, made: Any = everything, **more: Any) -> None:
        """Load the next run with dlt, which may find its state in the dataset."""
        self.next()
        more["settings"] = RESTORE
        done = self._oracle.run(self._name, made(self._stage.base), self.folder, **more)
        assert not done["error"], done["error"]

    def penstock(self, made: Any = everything, **options: Any) -> Result:
        """Load the next run with Penstock, in dlt's columns."""
        self.next()
        told = {"dlt_columns": True, "db_schema": "parity", **options}
        source = self.source(made)
        result = execute(source, {}, str(self.file), Options(**told), lambda _event: None)
        assert result.status == "done", result.receipts
        return result

    def source(self, made: Any = everything) -> Source:
        """The configuration, compiled."""
        compiled = compile_document(Document.from_object(made(self._stage.base), "parity"))
        assert compiled.source is not None, compiled.diagnostics
        return compiled.source

    @property
    def base(self) -> str:
        """Where the API is."""
        return self._stage.base

    def next(self) -> None:
        """Begin the next run."""
        self.rounds += 1
        self._stage.play(api, self.rounds)

    def at(self, file: Path, rounds: int) -> Turns:
        """Another dataset, which is loaded after so many rounds of this one."""
        other = Turns(self.folder, self._stage, self._oracle, self._name)
        other.file, other.rounds = file, rounds
        return other

    def asked(self) -> list[str]:
        """What the run asked for."""
        return sorted(heard.ask.target for heard in self._stage.heard)

    def tables(self) -> dict[str, Any]:
        """The tables without what is the engine's own, children with their parents."""
        return dump.tables(str(self.file), "parity")

    def columns(self) -> dict[str, set[str]]:
        """The columns of every table that is not Penstock's own."""
        found: dict[str, set[str]] = {}
        for table, column in self.query(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'parity' AND NOT starts_with(table_name, '_penstock_')"
        ):
            found.setdefault(table, set()).add(column)
        return found

    def query(self, text: str) -> list[Any]:
        """The rows of a query, in the dataset's schema."""
        with duckdb.connect(str(self.file), read_only=True) as con:
            con.execute("SET schema = 'parity'")
            return con.execute(text).fetchall()
