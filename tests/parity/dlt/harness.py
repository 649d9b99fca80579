"""One configuration, two engines: run it with dlt and with Penstock, and tell what differs."""

from __future__ import annotations

import copy
import io
import os
import pickle
import re
import subprocess
import sys
import types
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from tests.parity.dlt import dump, mirror, steps
from tests.parity.dlt.server import Api, Heard, Stage, same_path
from tests.parity.dlt.worker import receive, send

from penstock.dialects import compile_document
from penstock.dialects.dlt.standin.resources import rest_api
from penstock.dialects.document import Document
from penstock.dlt import incremental
from penstock.engine import Options, compile_built, execute
from penstock.errors import Error
from penstock.events import Receipt
from penstock.plan.source import Source

# Cases that take long are all played with PENSTOCK_PARITY=all, and otherwise some of a kind.
ALL = os.environ.get("PENSTOCK_PARITY") == "all"

Config = dict[str, Any]
Request = tuple[str, ...]

# Headers that a configuration decides; all others are the client's own business.
_HEADERS = re.compile(r"authorization|cookie|x-.*|accept|content-type")
_TYPES = {
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
    "HUGEINT": "DECIMAL(38,0)",
}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine did in one run: what it asked, what is stored after it, and its error."""

    heard: list[Heard]
    tables: dict[str, Any]
    error: str = ""
    receipts: tuple[Receipt, ...] = ()

    def rows(self, table: str, *columns: str) -> list[Any]:
        """The rows of a table, sorted; of these columns, or of the one."""
        held = self.tables.get(table, {"rows": []})["rows"]
        picked = [tuple(row.get(c) for c in columns) for row in held]
        return sorted((row[0] if len(columns) == 1 else row for row in picked), key=_sortable)

    def columns(self, table: str) -> dict[str, str]:
        """The type of each column of a table."""
        return {c: kind for c, (kind, _) in self.tables[table]["columns"].items()}

    def asked(self, *, full: bool = False) -> Counter[Request]:
        """What was asked, as a multiset; with `full`, only what was answered with records."""
        return Counter(request(h) for h in self.heard if not (full and h.empty))

    def targets(self) -> list[str]:
        """Path and query of every request, in order of arrival."""
        return [h.ask.target for h in self.heard]

    def warnings(self) -> set[str]:
        """The codes of the warnings in the receipts."""
        return {note.code for receipt in self.receipts for note in receipt.warnings}


Check = Callable[[list[Outcome], list[Outcome]], None]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration and the API it is for.

    `law` says that requests answered without a record may differ: dlt asks on until nothing comes,
    and Penstock asks ahead. `refused` says that neither engine runs it, and what Penstock says.
    `differs` names the rows of docs/parity.md that tell why the engines part, and `check` asserts
    how; without it they must agree in everything.
    """

    name: str
    config: Callable[[str], Config]
    api: Api = lambda _ask: []
    runs: int = 2
    law: bool = False
    refused: str = ""
    differs: tuple[str, ...] = ()
    check: Check | None = None

    def __str__(self) -> str:
        return self.name


def parts(table: str, columns: tuple[str, ...], their: list[Any], our: list[Any]) -> Check:
    """A check that after the first run both have these cells, and after the last no error."""

    def check(theirs: list[Outcome], ours: list[Outcome]) -> None:
        assert theirs[0].rows(table, *columns) == their, "dlt behaves otherwise now"
        assert ours[0].rows(table, *columns) == our
        assert not any(outcome.error for outcome in ours)

    return check


# The two engines.


class Oracle:
    """dlt in a process of its own, which takes one job after the other."""

    def __init__(self, python: str) -> None:
        worker = Path(__file__).with_name("worker.py")
        self._process = subprocess.Popen(
            [python, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        assert self._receive() == "ready", "the worker says when dlt is imported"

    def run(self, name: str, config: Config, folder: Path, **more: Any) -> dict[str, Any]:
        """Run a configuration once; what it holds of functions must stand in `steps`."""
        buffer = io.BytesIO()
        _ByName(buffer).dump({"name": name, "config": config, "folder": str(folder), **more})
        assert self._process.stdin is not None
        send(self._process.stdin, buffer.getvalue())
        done: dict[str, Any] = self._receive()
        assert not done["error"].startswith("worker:"), done["error"]
        return done

    def execute(self, script: Path, **more: Any) -> dict[str, Any]:
        """Run a script once, in its own folder; it loads into `shop.duckdb`, schema `shop_data`."""
        job = {"script": str(script), "folder": str(script.parent), **more}
        assert self._process.stdin is not None
        send(self._process.stdin, pickle.dumps(job))
        done: dict[str, Any] = self._receive()
        assert not done["error"].startswith("worker:"), done["error"]
        return done

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        data = receive(self._process.stdout)
        assert data is not None, "the worker died; its standard error says why"
        return pickle.loads(data)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


class _ByName(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        """Functions go by name; the worker has the same module. Objects are made there anew."""
        if isinstance(obj, incremental):
            return "incremental", obj.given
        shared = isinstance(obj, (types.FunctionType, type)) and obj.__module__ == steps.__name__
        return obj.__name__ if shared else None


def oracle_python() -> str | None:
    """The interpreter that has dlt: the one named by PENSTOCK_DLT_PYTHON, or our own."""
    named = os.environ.get("PENSTOCK_DLT_PYTHON")
    if named:
        return named
    return sys.executable if find_spec("dlt") else None


def run_penstock(
    config: Config,
    folder: Path,
    options: Options | None = None,
    file: str = "penstock.duckdb",
    url: str | None = None,
) -> tuple[dict[str, Any], str, tuple[Receipt, ...]]:
    """The tables, the error and the receipts of one run with Penstock, into a file or a `url`."""
    to = folder / file
    receipts: tuple[Receipt, ...] = ()
    error = ""
    source, error = _compiled(config)
    if source is not None:
        try:
            told = options or Options()
            result = execute(source, {}, url or str(to), told, lambda _event: None)
            receipts = result.receipts
            lost = [f"{f.code}: {f.message}" for r in receipts for f in r.failures]
            error = "\n".join(lost) or ("" if result.status == "done" else result.status)
        except Error as exc:
            error = f"{exc.code}: {exc}"
    if url is not None:
        return mirror.tables(url, "parity", to), error, receipts
    return dump.tables(str(to), "parity") if to.exists() else {}, error, receipts


def _compiled(config: Config) -> tuple[Source | None, str]:
    """The source of a configuration, or why there is none; of objects, as in a script."""
    held = (
        p for r in config.get("resources", ()) for p in (_endpoint(r).get("params") or {}).values()
    )
    if any(isinstance(param, incremental) for param in held):
        compiled = compile_built(rest_api.rest_api_source(config, "parity"))
    else:
        compiled = compile_document(Document.from_object(config, "parity"))
    if compiled.source is None:
        return None, "\n".join(f"{d.code}: {d.message}" for d in compiled.diagnostics)
    return compiled.source, ""


def _endpoint(resource: Any) -> Config:
    held = resource.get("endpoint") if isinstance(resource, dict) else None
    return held if isinstance(held, dict) else {}


def play(
    case: Case,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    folder: Path,
    options: Options | None = None,
    *,
    urls: tuple[str, str] | None = None,
    refresh: str | None = None,
) -> tuple[list[Outcome], list[Outcome]]:
    """What dlt and Penstock did in each run of a case, in files or in the databases of `urls`.

    With `refresh` the last run forgets, in this way of dlt's.
    """
    their, our = urls or (None, None)
    where = {"postgres": mirror.whole(their)} if their else {}
    theirs: list[Outcome] = []
    ours: list[Outcome] = []
    for which in range(1, case.runs + 1):
        for stage in stages:
            stage.play(case.api, which)
        if refresh is not None and which == case.runs:
            where = {**where, "refresh": refresh}
            options = Options(full_refresh=True, keep_columns=refresh == "drop_data")
        name = "c_" + re.sub(r"\W+", "_", case.name).lower()
        done = oracle.run(name, case.config(stages[0].base), folder, **where)
        if their is not None:
            done["tables"] = mirror.tables(their, "parity", folder / "dlt.duckdb")
        theirs.append(Outcome(heard=stages[0].heard, tables=done["tables"], error=done["error"]))
        config = copy.deepcopy(case.config(stages[1].base))
        tables, error, receipts = run_penstock(config, folder, options, url=our)
        ours.append(Outcome(heard=stages[1].heard, tables=tables, error=error, receipts=receipts))
    return theirs, ours


# Comparing.


def request(heard: Heard) -> Request:
    """A request without what no configuration decides, and without the server's own origin."""
    ask = heard.ask
    headers = [f"{n}: {v}" for n, v in sorted(ask.headers.items()) if _counts(n, v)]
    named = sorted(ask.query, key=lambda pair: pair[0])  # only values of one name have an order
    query = "&".join(f"{k}={v}" for k, v in named)
    body = _body(ask.headers.get("content-type", ""), ask.body)
    parts = (ask.method, same_path(ask.path), query, body, "; ".join(headers))
    return tuple(part.replace(ask.base, "http://api") for part in parts)


def _counts(name: str, value: str) -> bool:
    if name in {"accept-encoding", "accept"} and value in {"*/*", "application/json"}:
        return False
    return _HEADERS.fullmatch(name) is not None


def _body(kind: str, body: bytes) -> str:
    text = body.decode("utf-8", "backslashreplace")
    if "x-www-form" in kind:
        return "&".join(f"{k}={v}" for k, v in sorted(parse_qsl(text), key=lambda pair: pair[0]))
    if not body or "json" not in kind:
        return text
    return msgspec.json.encode(msgspec.json.decode(body), order="sorted").decode()


def differences(case: Case, theirs: list[Outcome], ours: list[Outcome]) -> list[str]:
    """Everything in which the engines part, in lines to read."""
    said: list[str] = []
    for nth, (their, our) in enumerate(zip(theirs, ours, strict=True), 1):
        found: list[str] = []
        if bool(their.error) != bool(our.error):
            found.append(f"error: dlt {their.error!r}, penstock {our.error!r}")
        if not case.refused:  # what is wrong is told before anything is asked
            found += _requests(their, our, law=case.law)
        found += _tables(their.tables, our.tables)
        said += [f"run {nth}: {line}" for line in found]
    return said


def _requests(their: Outcome, our: Outcome, *, law: bool) -> list[str]:
    asked, own = their.asked(full=law), our.asked(full=law)
    found = [f"only dlt asks {n} x {r}" for r, n in (asked - own).items()]
    return found + [f"only penstock asks {n} x {r}" for r, n in (own - asked).items()]


def _tables(their: dict[str, Any], our: dict[str, Any]) -> list[str]:
    found = [f"only dlt has the table {t}: {their[t]}" for t in sorted(set(their) - set(our))]
    found += [f"only penstock has the table {t}: {our[t]}" for t in sorted(set(our) - set(their))]
    for table in sorted(set(their) & set(our)):
        found += [f"{table}: {line}" for line in _columns(their[table], our[table])]
        found += [f"{table}: {line}" for line in _rows(their[table], our[table])]
    return found


def _columns(their: dict[str, Any], our: dict[str, Any]) -> list[str]:
    a, b = their["columns"], our["columns"]
    found = [f"only dlt has the column {c} {a[c]}" for c in a if c not in b]
    found += [f"only penstock has the column {c} {b[c]}" for c in b if c not in a]
    for column in [c for c in a if c in b]:
        if _type(a[column]) != _type(b[column]):
            found.append(f"column {column}: dlt {a[column]}, penstock {b[column]}")
    return found


def _type(column: tuple[str, str]) -> str:
    """The type alone: `test_nulls` tells where dlt forbids nulls."""
    kind, _ = column
    return _TYPES.get(kind, kind)


def _rows(their: dict[str, Any], our: dict[str, Any]) -> list[str]:
    a, b = _multiset(their["rows"]), _multiset(our["rows"])
    found = [f"only dlt has {n} x {dict(r)}" for r, n in (a - b).items()]
    return found + [f"only penstock has {n} x {dict(r)}" for r, n in (b - a).items()]


def _multiset(rows: list[dict[str, Any]]) -> Counter[tuple[tuple[str, Any], ...]]:
    return Counter(tuple(sorted((c, v) for c, v in r.items() if v is not None)) for r in rows)


def _sortable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple((v is None, str(v)) for v in value)
    return (value is None, str(value).rjust(20))
