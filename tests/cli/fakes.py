"""An engine that does as it is told, for tests of the command line alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from penstock import events
from penstock.cli.app import launch
from penstock.cli.context import App
from penstock.errors import Diagnostic, Place
from penstock.plan.auth import ApiKey, Bearer
from penstock.plan.expr import Concat, Const, JoinUrl, JsonValue, Quoted, Ref, Scope
from penstock.plan.hints import Column, Hints
from penstock.plan.pagination import Counter, PageSize
from penstock.plan.records import Call, Keys, Records
from penstock.plan.request import Param, Request, Slot
from penstock.plan.slices import Cursor, Field, Parent, Window
from penstock.plan.source import Input, Source, Stream

SECRET = "s3cr3t-value-0815"


def _url(path: object) -> JoinUrl:
    return JoinUrl(base=Const(value="https://api.example.com"), path=path)


def query(*path: str) -> Slot:
    return Slot(place="query", path=path)


def keep_all(record: JsonValue) -> JsonValue:
    return record


USERS = Stream(
    name="users",
    request=Request(
        url=_url(Const(value="/v2/users")),
        params=(Param(slot=query("sort"), value=Const(value="id")),),
    ),
    auth=Bearer(token=Ref(at=Scope.SOURCE, path=("api_key",))),
    records=Records(path=Keys(path=("users",)), steps=(Call(does="map", function=keep_all),)),
    pagination=Counter(
        unit="page", into=query("page"), size=PageSize(value=Const(value=20), into=query("limit"))
    ),
    hints=Hints(
        primary_key=("id",), write="merge", columns=(Column(name="seen", type="timestamp"),)
    ),
)
MESSAGES = Stream(
    name="messages",
    request=Request(
        url=_url(
            Concat(
                parts=(
                    Const(value="users/"),
                    Quoted(value=Ref(at=Scope.SLICE, path=("partition", "user_id"))),
                    Const(value="/messages"),
                )
            )
        )
    ),
    auth=ApiKey(slot=Slot(place="header", path=("X-Key",)), value=Const(value="written-in-here")),
    partition=Parent(stream="users", fields=(Field(name="user_id", path=Keys(path=("id",))),)),
    cursor=Cursor(
        path=Keys(path=("updated",)),
        start=Const(value="2024-01-01"),
        params=(Param(slot=query("since"), value=Ref(at=Scope.SLICE, path=("cursor", "start"))),),
        window=Window(step=Const(value="P1D")),
    ),
)
SOURCE = Source(
    name="fake",
    base_url=Const(value="https://api.example.com"),
    streams=(USERS, MESSAGES),
    inputs=(
        Input(name="api_key", secret=True, description="the key of your account"),
        Input(name="region", required=False, default="eu"),
    ),
)

WARNING = Diagnostic(
    code="page-base",
    severity="warning",
    message="pages are counted from 1",
    place=Place(file="doc.yaml", line=7, column=11, text='    type: "page_number"\n'),
    hint="say base_page: 1",
)
ERROR = Diagnostic(
    code="unknown-key",
    severity="error",
    message="no key is called 'page_numbr'",
    place=Place(file="doc.yaml", line=12, column=7, text="\tkey: page_numbr  # 语\n"),
    hint="did you mean 'page_number'?",
)
SECOND = Diagnostic(code="type", severity="error", message="resources must be a list")


def receipt(stream: str = "users", **fields: object) -> events.Receipt:
    given = {"status": "done", "rows": 1234, "rows_read": 1234, "requests": 13, "seconds": 1.5}
    return events.Receipt(stream=stream, table=stream, **{**given, **fields})


class Compiled(msgspec.Struct, kw_only=True):
    source: Source | None = SOURCE
    dialect: str = "dlt"
    name: str = "fake"
    file: str = "doc.yaml"
    diagnostics: tuple[Diagnostic, ...] = ()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    select: tuple[str, ...] = ()
    full_refresh: bool = False
    keep_columns: bool = False
    db_schema: str | None = None
    base_url: str | None = None
    takeover: bool = False
    since: float | None = None
    wait: float = 0.0
    concurrency: int | None = None
    nesting: str | None = None
    publish: str | None = None
    keep_pages: str | None = None
    allow_origins: tuple[str, ...] = ()
    dlt_columns: bool = False
    deny_private: bool = False
    max_body: int | None = None
    keep_bad_pages: Path | None = None
    files: Path | None = None
    alone: bool = False


class Result(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str = "run-1"
    source: str = "fake"
    destination: str = "fake.duckdb"
    db_schema: str = "fake"
    status: events.Status = "done"
    receipts: tuple[events.Receipt, ...] = (receipt(),)
    seconds: float = 1.5


class FakeEngine:
    """Answers with what it was given, and remembers what it was asked."""

    Options = Options

    def __init__(
        self,
        compiled: Compiled | Mapping[str, Compiled] | None = None,
        result: Result | BaseException | None = None,
        script: tuple[events.Event | float, ...] = (),
        records: tuple[bytes, ...] = (),
        state: Mapping[str, dict[str, JsonValue]] | None = None,
    ) -> None:
        self.compiled = compiled or Compiled()
        self.result = result or Result()
        self.script = script
        self.records = records
        self.state = dict(state or {})
        self.asked: list[tuple[object, ...]] = []
        self.prepared: list[str] = []
        self.closed = False

    def prepare(self, destination: str) -> None:
        self.prepared.append(destination)

    def compile_source(self, spec: str, values: object = None) -> Compiled:
        self.asked.append(("compile", spec, values))
        if isinstance(self.compiled, Mapping):
            return self.compiled[spec]
        return self.compiled

    def execute(self, source, values, destination, options, on_event) -> Result:
        self.asked.append(
            (
                "execute",
                source.name,
                values,
                destination,
                msgspec.structs.replace(options, since=None),
            )
        )
        self._play(on_event)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def read_stream(
        self, source, values, stream, *, limit, base_url, deny_private, on_event, values_file=None
    ) -> Iterator[bytes]:
        self.asked.append(("read", stream, values, limit, base_url, deny_private))
        try:
            yield from self.records[:limit]
            self._play(on_event)
        finally:
            self.closed = True

    def show_state(self, source, destination, db_schema, streams) -> dict[str, object]:
        self.asked.append(("show", destination, db_schema, streams))
        return self.state

    def reset_state(self, source, destination, db_schema, streams, *, takeover) -> tuple[str, ...]:
        self.asked.append(("reset", destination, db_schema, streams, takeover))
        return tuple(self.state)

    def _play(self, on_event: Callable[[events.Event], None]) -> None:
        for step in self.script:
            if isinstance(step, float):
                time.sleep(step)
            else:
                on_event(step)

    def call(self, name: str) -> tuple[object, ...]:
        """The only call of this name."""
        (found,) = [c for c in self.asked if c[0] == name]
        return found


def started(*streams: str) -> events.RunStarted:
    return events.RunStarted(
        run_id="run-1", source="fake", destination="fake.duckdb", streams=streams
    )


FULL_RUN = (
    started("users", "messages"),
    events.StreamStarted(stream="users"),
    events.PageRead(stream="users", rows=1000, bytes=9000, pages_left=1),
    events.Waiting(stream="users", seconds=30.0, reason="429"),
    0.5,
    events.PageRead(stream="users", rows=234, bytes=900, pages_left=0),
    events.Warned(stream="users", code="count", message=f"1,234 of 1,300 rows for {SECRET}"),
    events.StreamEnded(stream="users", status="done", receipt=receipt()),
    events.RunEnded(status="done", seconds=1.5),
)


def main(scenario: str, *arguments: str) -> int:
    """Run the command line on a fake engine, as a process of its own."""
    engines = {
        "full": lambda: FakeEngine(script=FULL_RUN),
        "endless": lambda: FakeEngine(records=(b'{"id":1}',) * 1_000_000),
        "bug": lambda: FakeEngine(result=ValueError(f"no row for {SECRET}")),
    }
    return launch(arguments, App(engines[scenario]()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
