"""Datasets that dlt and Penstock load by turns, where dlt may have lost its own folder.

What dlt reads must be right: schemas under their hashes, loads, ids and states. dlt alone, over as
many runs, says what there must be.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.parity.dlt.continued import ENDPOINT, SINCE, Turns, merging
from tests.parity.dlt.data import Record, answer, config, resource
from tests.parity.dlt.harness import ALL, Config, Oracle
from tests.parity.dlt.server import Ask, Reply, Stage
from tests.parity.dlt.test_continued import _sorted

from penstock.engine import Options, execute

LONG = "a_very_long_field_name_that_goes_on_and_on_until_it_is_longer_than_sixty_three_letters"
HUMPS = "aFieldNameWithManyHumpsThatGoesOnAndOnUntilItIsLongerThanSixtyThreeLettersLong"
RESOURCE = "a_resource_whose_name_is_so_long_that_its_table_can_not_be_called_like_it_everywhere"
SCD2 = {"disposition": "merge", "strategy": "scd2"}
ENDS = {"validity_column_names": ["since", "until"], "active_record_timestamp": "9999-12-31"}
KEYED = {"primary_key": "n", "write_disposition": "merge"}


class Loads(Turns):
    """One dataset, and the API of these tests; `D` is a dlt that has lost its folder."""

    def next(self) -> None:
        """Begin the next run."""
        self.rounds += 1
        self._stage.play(_api, self.rounds)

    def play(self, order: str, made: Any) -> Loads:
        """Load in this order: `d` and `D` with dlt, `p` with Penstock."""
        for engine in order:
            if engine == "D":
                shutil.rmtree(self.folder / "pipelines", ignore_errors=True)
            (self.penstock if engine == "p" else self.dlt)(made)
            self.check()
        return self

    def check(self) -> None:
        """What dlt reads is right."""
        documents = self.query("SELECT version_hash, schema, version FROM _dlt_version")
        assert len({version for _, _, version in documents}) == len(documents)
        known = {digest for digest, _, _ in documents}
        for digest, text, _ in documents:
            _same_to_dlt(digest, json.loads(text))
        loads = self.query("SELECT load_id, status, schema_version_hash FROM _dlt_loads")
        assert {status for _, status, _ in loads} == {0}
        assert {digest for _, _, digest in loads} <= known
        states = self.query("SELECT version FROM _dlt_pipeline_state ORDER BY _dlt_load_id")
        assert states == sorted(set(states))
        self._rows({load for load, _, _ in loads})

    def _rows(self, loads: set[str]) -> None:
        for table, columns in self.columns().items():
            if table.startswith("_dlt") or "_dlt_id" not in columns:
                continue
            if not columns & {"_dlt_valid_from", "since"}:  # there a version has one id
                held = self.query(f'SELECT count(*), count(DISTINCT _dlt_id) FROM "{table}"')
                assert held[0][0] == held[0][1], table
            if "_dlt_load_id" in columns:
                named = {load for (load,) in self.query(f'SELECT _dlt_load_id FROM "{table}"')}
                assert named - {None} <= loads, table
        assert "(lost)" not in str(self.tables())


def _same_to_dlt(digest: str, document: dict[str, Any]) -> None:
    """Take a document as dlt does, which changes nothing in it."""
    schemas = pytest.importorskip("dlt.common.schema")
    assert document["version_hash"] == digest
    found = schemas.Schema.from_stored_schema(document)
    assert not found.is_modified
    assert found.version_hash == digest


def _records(which: int) -> list[Record]:
    """What changes from run to run: values, types, columns, lists, and which records there are."""
    found: list[Record] = [
        {
            "id": n,
            "n": 10 * which + n,
            "group": n % 2,
            "mix": (n, "t", 1.5, n)[which - 1],
            "amount": 12.5 * n,
            "price": 0.125 * n * which,
            "day": f"2024-01-0{n}",
            "raw": {"a": [n]},
            "ts": f"2024-01-0{which}T0{n}:00:00Z",
            "gone": n == 2 and which == 3,
            "o": {"userName": "u", "tags": ["a", f"of {which}"]},
            "l": [{"y": which, "deep": [{"z": [1, which]}]}],
            "notes": [{"n": 1, "text": which}, {"n": which}],
        }
        for n in range(1, 2 + which)
    ]
    for record in found[1:] if which > 1 else ():
        record |= {"newColumn": which, "more": [[1], [which]]}
        record["l"].append({"y": "a text"})
    return found


def _long(which: int) -> list[Record]:
    """Records of names that are too long for other databases."""
    return [
        {
            LONG: n,
            HUMPS: n,
            f"{HUMPS}Mix": "t" if which == 2 else n,
            f"{LONG}_list": [{"n": n, HUMPS: which, "deep": [{LONG: which}]}],
            "o": {LONG: {HUMPS: 1}},
            **({f"{LONG}_new": n} if which > 1 else {}),
        }
        for n in range(which)
    ]


KEYS: dict[str, tuple[Any, Any, Any]] = {
    "number": (1, "2", 3),
    "text": ("a", 7, True),
    "double": (1.5, 2, "2.5"),
    "instant": ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00", 1704240000),
}
"""Keys whose class changes from run to run."""


def _keys(which: int, kind: str) -> list[Record]:
    return [{"k": key, "run": which} for key in KEYS[kind][:which]]


PAGES = 4


def _api(ask: Ask) -> Reply:
    if ask.path.startswith("/keys/"):
        return answer(_keys(ask.round, ask.path.removeprefix("/keys/")))
    match ask.path:
        case "/lists" | "/lists/same":
            more = {"new": [1]} if ask.round > 1 and ask.path == "/lists" else {}
            return answer([{"id": ask.round, "l": [{"deep": [ask.round]}], **more}])
        case "/frozen":
            nth, great = ask.round, 2**60 + ask.round
            at = f"2024-01-0{nth}T00:00:00Z"
            lines = [{"v": nth, "at": at, "deep": [{"w": nth}]}]
            return answer([{"id": nth, "group": "a", "n": nth, "great": great, "at": at,
                            "lines": lines}])  # fmt: skip
        case "/refused":
            return answer([{"id": (1, "2x", "3", 4)[ask.round - 1]}])
        case "/long":
            return answer(_long(ask.round))
        case "/flat":
            lists = ("l", "more", "notes")
            return answer(
                [{k: v for k, v in r.items() if k not in lists} for r in _records(ask.round)]
            )
        case "/odd":
            odd: dict[int, Record] = {1: {}, 2: {"x": 1}, 3: {"x": "a text", "y": 1}, 4: {"y": "t"}}
            return answer([{"id": ask.round, **odd[ask.round]}])
        case "/late":
            return answer([{"id": ask.round, "of": "1.50"}] if ask.round > 2 else [])
        case "/pages":
            page = ask.number("page")
            at = 100 * ask.round + page
            return answer([{"id": f"{at}.{n}", "at": at} for n in range(3)], pages=PAGES)
    return answer(_records(ask.round))


def _varied(base: str) -> Config:
    """Resources of every kind of hint."""
    plain, flat = ({**ENDPOINT, "path": path} for path in ("things", "flat"))
    by_id = {"primary_key": "id"}
    descending = {"cursor_path": "n", "initial_value": 0, "row_order": "desc"}
    lagging = {"cursor_path": "ts", "initial_value": "2024-01-01T00:00:00Z", "lag": 3600}
    deciding = {
        "n": {"dedup_sort": "desc", "data_type": "bigint"},
        "gone": {"hard_delete": True, "data_type": "bool"},
    }
    typed = {
        "amount": {"data_type": "decimal", "precision": 10, "scale": 2},
        "price": {"data_type": "decimal"},
        "day": {"data_type": "date"},
        "raw": {"data_type": "json"},
    }
    contract = {"schema_contract": {"columns": "discard_value"}}
    return config(
        base,
        resource("versions", plain, write_disposition={**SCD2, **ENDS}),
        resource("sets", flat, write_disposition="merge", merge_key="group"),
        resource("deciding", flat, write_disposition="merge", primary_key="group",
                 columns=deciding),
        resource("typed", plain, columns=typed, max_table_nesting=1, table_name="other"),
        resource("closed", flat, **contract),
        resource("noted", plain, write_disposition="merge", nested_hints={"notes": KEYED}, **by_id),
        resource("descending", {**flat, "incremental": descending}),
        resource("lagging", {**flat, "incremental": lagging}, write_disposition="merge", **by_id),
    )  # fmt: skip


def _long_names(base: str) -> Config:
    plain = {**ENDPOINT, "path": "long"}
    hints = {f"{LONG}_list": KEYED}
    return config(
        base,
        resource(RESOURCE, plain),
        resource("merged", plain, write_disposition="merge", primary_key=HUMPS),
        resource("upserted", plain, **{**merging("upsert"), "primary_key": LONG}),
        resource("versions", plain, write_disposition=SCD2),
        resource("noted", plain, write_disposition="merge", primary_key=LONG, nested_hints=hints),
    )


def _keyed(base: str) -> Config:
    """Keys, and other columns that are never null, of which dlt keeps what it can spell."""
    ways: dict[str, Any] = {
        "appended": {"primary_key": "k"},
        "merged": {"primary_key": "k", "write_disposition": "merge"},
        "sets": {"merge_key": "k", "write_disposition": "merge"},
        "upserted": {**merging("upsert"), "primary_key": "k"},
        "declared": {"columns": {"k": {"nullable": False}}},
    }
    return config(base, *(resource(f"{way}_{kind}", {**ENDPOINT, "path": f"keys/{kind}"}, **hints)
                          for way, hints in ways.items() for kind in KEYS))  # fmt: skip


def _odd(base: str) -> Config:
    return config(base, resource("odd", {**ENDPOINT, "path": "odd"}))


MADE = {"varied": _varied, "long names": _long_names, "keys": _keyed}


@pytest.fixture(scope="module", params=MADE)
def alone(
    request: Any, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path_factory: Any
) -> tuple[Any, Any, Any]:
    """A configuration, and the columns and tables that dlt alone makes of it in three runs."""
    folder, made = tmp_path_factory.mktemp("alone"), MADE[request.param]
    loads = Loads(folder, stages[0], oracle, name="parity").play("ddd", made)
    return made, loads.columns(), _sorted(loads.tables())


@pytest.mark.parametrize("order", ["dpD", "pDp"] if ALL else ["dpD"])
def test_datasets_go_from_one_to_the_other(
    order: str, alone: Any, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """In any order, the tables are those of dlt alone, and what dlt reads is right."""
    made, columns, tables = alone
    loads = Loads(tmp_path, stages[0], oracle, name="parity").play(order, made)
    assert loads.columns() == columns
    found = _sorted(loads.tables())
    for table, wanted in tables.items():
        assert found[table] == wanted, table


@pytest.mark.parametrize("order", ["dpdp", "pDpd"])
def test_dlt_learns_of_columns_that_penstock_made(
    order: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Of values of another class too, where no cursor moves: they go to a column of their own."""
    check_odd(Loads(tmp_path, stages[0], oracle, name="parity").play(order, _odd))


def check_odd(loads: Loads) -> None:
    """The values of four rounds are in the columns of their classes."""
    kinds = loads.query("SELECT id, x, x__v_text, y, y__v_text FROM odd ORDER BY id")
    assert kinds == [
        (1, None, None, None, None),
        (2, 1, None, None, None),
        (3, None, "a text", 1, None),
        (4, None, None, None, "t"),
    ]


def _refused(base: str) -> Config:
    hints: dict[str, Any] = {"appended": {}, "merged": {"write_disposition": "merge"}}
    return config(base, *(resource(name, {**ENDPOINT, "path": "refused"}, primary_key="id", **more)
                          for name, more in hints.items()))  # fmt: skip


def test_a_key_that_its_column_cannot_have_is_refused(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """A column of dlt that takes no null cannot be left empty for it, nor can another text be."""
    check_refused(Loads(tmp_path, stages[0], oracle, name="parity"), tmp_path / "dlt.duckdb")


def check_refused(loads: Loads, to: object) -> None:
    """The message shows the record, nothing is kept of it, and the next run goes on."""
    loads.play("d", _refused).next()
    options = Options(dlt_columns=True, db_schema="parity")
    result = execute(loads.source(_refused), {}, str(to), options, lambda _event: None)
    said = {r.stream: (f.code, f.message) for r in result.receipts for f in r.failures}
    found = "a record has '2x' as id, another type"
    assert said["appended"][0] == "null-value"
    assert f"{found}, whose column dlt has made not nullable" in said["appended"][1]
    assert said["merged"][0] == "key-missing"
    assert f"{found}, which is the key" in said["merged"][1]
    loads.play("pD", _refused)
    assert loads.query("SELECT id FROM merged ORDER BY 1") == [(1,), (3,), (4,)]
    assert loads.query("SELECT id FROM appended ORDER BY 1") == [(1,), (3,), (4,)]


def _frozen(base: str) -> Config:
    """Types that may not change, to which dlt counts whether a column takes null, and its size."""
    ways: dict[str, Any] = {
        "appended": {"primary_key": "id"},
        "replaced": {"primary_key": ["id", "group"], "write_disposition": "replace"},
        "sets": {"primary_key": "id", "merge_key": "group", "write_disposition": "merge"},
        "declared": {
            "columns": {
                "n": {"nullable": False, "data_type": "bigint", "precision": 32},
                "great": {"data_type": "wei"},
                "at": {"data_type": "timestamp", "timezone": True, "precision": 6},
            },
            "nested_hints": {
                "lines": {
                    "columns": {
                        "v": {
                            "name": "v",
                            "data_type": "bigint",
                            "nullable": False,
                            "precision": 32,
                        },
                        "at": {"name": "at", "data_type": "timestamp", "timezone": True},
                    }
                },
            },
        },
    }
    plain = {**ENDPOINT, "path": "frozen"}
    kept = {"schema_contract": {"data_type": "freeze"}}
    return config(base, *(resource(name, plain, **hints, **kept) for name, hints in ways.items()))


@pytest.mark.parametrize("order", ["pdp", "pDd", "dpD"])
def test_contracts_that_keep_types_hold_by_turns(
    order: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """What Penstock tells of keys and of declared columns is what dlt would say itself."""
    loads = Loads(tmp_path, stages[0], oracle, name="parity").play(order, _frozen)
    for table, rows in (("appended", [1, 2, 3]), ("replaced", [3]), ("sets", [3]),
                        ("declared", [1, 2, 3])):  # fmt: skip
        assert [n for (n,) in loads.query(f"SELECT n FROM {table} ORDER BY 1")] == rows


@pytest.mark.parametrize("mode", ["discard_row", "discard_value", "freeze"])
def test_child_tables_of_dlt_are_there_for_a_contract(
    mode: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """One that allows no more tables leaves those alone that dlt has made: they lost their rows."""
    plain = {**ENDPOINT, "path": "lists/same" if mode == "freeze" else "lists"}
    loads = Loads(tmp_path, stages[0], oracle, name="parity")
    loads.play("d", lambda base: config(base, resource("things", plain)))
    things = resource("things", plain, schema_contract={"tables": mode})
    loads.play("pD", lambda base: config(base, things))
    assert set(loads.columns()) & {"things__l", "things__new"} == {"things__l"}
    for table in ("things", "things__l", "things__l__deep"):
        assert loads.query(f"SELECT count(*) FROM {table}") == [(3,)]


def _late(base: str) -> Config:
    declared = {"columns": {"of": {"data_type": "decimal", "precision": 10, "scale": 2}}}
    late = {**ENDPOINT, "path": "late"}
    return config(
        base,
        resource("late", late, primary_key="id", **declared),
        resource("anew", late, primary_key="id", write_disposition="replace", **declared),
    )


@pytest.mark.parametrize("order", ["pdp", "pDd", "ppd", "dpd"])
def test_tables_that_have_no_row_yet_are_gone_on_with(
    order: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Penstock makes them of declared columns, and dlt loads nothing for them until rows come."""
    loads = Loads(tmp_path, stages[0], oracle, name="parity").play(order, _late)
    for table in ("late", "anew"):
        found = loads.query(f"SELECT id, CAST(of AS VARCHAR) FROM {table}")
        assert found == [(3, "1.50")]


def _paged(base: str) -> Config:
    endpoint = {
        "path": "pages",
        "data_selector": "data",
        "paginator": {"type": "page_number", "base_page": 1, "total_path": "pages"},
        "incremental": {**SINCE, "cursor_path": "at"},
    }
    return config(
        base,
        resource("appended", endpoint),
        resource("merged", endpoint, write_disposition="merge", primary_key="id"),
        resource("versions", {**endpoint, "incremental": None}, write_disposition=SCD2),
        client={"headers": {"x": "y"}},
    )


DYING = """
import json, os, signal, sys
from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import Options, execute
from penstock.engine.lot import Sizes
from penstock.events import Committed

left = int(sys.argv[3])

def count(event):
    global left
    left -= isinstance(event, Committed)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

source = compile_document(Document.from_object(json.loads(sys.argv[1]), "parity")).source
sizes = Sizes(block=1, checkpoint=1, idle=1, open=1, seconds=0)
execute(source, {}, sys.argv[2], Options(dlt_columns=True, db_schema="parity", sizes=sizes), count)
"""


@pytest.mark.parametrize("commits", [2, 5])
@pytest.mark.parametrize("after", ["pD", "Dp", "p"])
def test_dlt_goes_on_after_a_run_that_was_killed(
    commits: int, after: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Rows of what was not complete are taken back by the next run of Penstock, and all is right.

    What dlt reads is right at once; appended rows are there once as soon as Penstock has run.
    """
    loads = Loads(tmp_path, stages[0], oracle, name="parity").play("d", _paged)
    killed(loads, str(loads.file), commits)
    loads.check()
    loads.play(after, _paged)
    check_paged(loads)


def killed(loads: Loads, to: str, commits: int) -> None:
    """Begin the next run, into `to`, and kill it when it has committed so often."""
    loads.next()
    arguments = [json.dumps(_paged(loads.base)), to, str(commits)]
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", DYING, *arguments], env=paths, check=False)
    assert done.returncode == -signal.SIGKILL
    loads.rounds -= 1


def check_paged(loads: Loads) -> None:
    """All that was there in the rounds so far is there once."""
    rounds = range(1, loads.rounds + 1)
    wanted = sorted(f"{100 * r + p}.{n}" for r in rounds for p in range(1, 5) for n in range(3))
    for table in ("appended", "merged", "versions"):
        found = [row for (row,) in loads.query(f"SELECT id FROM {table} ORDER BY 1")]
        assert found == wanted, table
    valid = loads.query("SELECT count(*) FROM versions WHERE _dlt_valid_to IS NULL")
    assert valid == [(3 * PAGES,)]


def test_states_are_readable_by_dlt(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """The hash of a state is that of what it holds, also where only a schema is new."""
    common = pytest.importorskip("dlt.common.versioned_state")
    sync = pytest.importorskip("dlt.pipeline.state_sync")
    loads = Loads(tmp_path, stages[0], oracle, name="parity").play("pp", _odd)
    states = loads.query("SELECT version, state, version_hash FROM _dlt_pipeline_state ORDER BY 1")
    assert [version for version, _, _ in states] == [1, 2]
    for version, text, digest in states:
        state = sync.decompress_state(text)
        assert state["_state_version"] == version
        assert state["_version_hash"] == digest
        assert common.generate_state_version_hash(msgspec.convert(state, dict)) == digest
