"""A connector's folder is a package: its manifest's classes are in several files."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.dialects.airbyte.custom.harness import compiled, folder
from tests.dialects.airbyte.custom.pieces import Case, plain, stream

from penstock.dialects.airbyte.standin import extractors, rates
from penstock.dialects.airbyte.standin.calling import Alone
from penstock.dialects.python import web
from penstock.dialects.python.running import Entered
from penstock.plan.expr import Frame

CHANGE = """
from airbyte_cdk.sources.declarative.transformations import RecordTransformation

from .words import WORD
from source_shop.inner import deep
import source_shop.inner.deep


class Change(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["word"] = WORD + deep.END + source_shop.inner.deep.END
"""


def connector(path, files, class_name="source_shop.changes.Change", **fields):
    """A manifest in a folder called as a connector's package, with more files."""
    change = {"type": "CustomTransformation", "class_name": class_name}
    given = fields or {"transformations": [change]}
    case = Case(name="", code="", streams=[stream(**given)], route=plain, expected={})
    file = folder(path, case.manifest(), None)
    for name, code in files.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(code, "utf-8")
    return file


def changed(file, record):
    """A record behind the only transformation of the only stream."""
    [source] = compiled(file).need().streams
    [step] = source.records.steps
    return step.function(Alone({}), [record], Frame())


def said(file, path):
    """What is wrong, as text without the folder."""
    found = compiled(file).diagnostics
    return [str(d).replace(f"{path}/", "") for d in found if "component" in d.code]


def test_the_files_of_a_package_import_one_another(tmp_path):
    """By their dots, by the package's name, and whole; a folder without __init__.py is one too."""
    path = tmp_path / "source_shop"
    files = {"changes.py": CHANGE, "words.py": "WORD = 'w'\n", "inner/deep.py": "END = '!'\n"}
    file = connector(path, files)

    assert said(file, path) == []
    [migrated] = changed(file, {"id": 1})
    assert migrated == {"id": 1, "word": "w!!"}


def test_a_class_of_the_package_itself_is_in_its_init(tmp_path):
    """What the package's own file imports of the reference engine is there, and made nowhere."""
    path = tmp_path / "source_shop"
    init = (
        "from airbyte_cdk.sources.declarative.yaml_declarative_source import "
        "YamlDeclarativeSource\n"
        "from .changes import Change\n"
    )
    files = {"__init__.py": init, "changes.py": CHANGE.replace(".words", ".inner.deep")}
    files["inner/deep.py"] = "END = WORD = '-'\n"

    assert changed(connector(path, files, "source_shop.Change"), {}) == [{"word": "---"}]


def test_a_file_of_another_name_is_not_executed(tmp_path):
    """A manifest cannot have files executed that lie beside it by chance."""
    path = tmp_path / "downloads"
    file = connector(path, {"changes.py": "raise SystemExit('executed')\n"})

    [only] = said(file, path)
    assert only.partition(": ")[2] == (
        "warning[airbyte-custom-component]: a transformation of items is the class "
        "source_shop.changes.Change, which is not run (put its components.py beside the manifest)"
    )


@pytest.mark.parametrize("name", ["source_shop...changes.Change", "source_shop./etc/x.Change"])
def test_a_name_leads_nowhere_else(tmp_path, name):
    """The parts of a module's name are words, never steps through folders."""
    path = tmp_path / "source_shop"
    (tmp_path / "changes.py").write_text("raise SystemExit('executed')\n")

    [only] = said(connector(path, {"other.py": ""}, name), path)
    assert "which is not run" in only


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"changes.py": "from .words import WORD\n", "words.py": "\nimport no_such\n"},
            (
                "words.py:2:1: error[airbyte-component-import]: the package 'no_such' is not "
                "installed (pip install no_such)"
            ),
        ),
        (
            {"changes.py": "from .word import WORD\n"},
            (
                "changes.py:1:1: error[airbyte-component-import]: there is no source_shop.word "
                "beside the manifest"
            ),
        ),
        (
            {"changes.py": "\nfrom ..outside import x\n"},
            (
                "changes.py:2:1: error[airbyte-component-import]: ..outside leads out of the "
                "manifest's folder"
            ),
        ),
        (
            {"changes.py": "class Chance: ...\n"},
            (
                "manifest.yaml:1:569: error[airbyte-component-class]: changes.py has no class "
                "'Change' (did you mean 'Chance'?)"
            ),
        ),
    ],
    ids=["inner fault", "no file", "outside", "no class"],
)
def test_a_fault_names_its_own_file(tmp_path, files, expected):
    """Also where a file that imports it was asked for."""
    path = tmp_path / "source_shop"

    [only] = said(connector(path, files), path)
    assert only.partition(": ")[2] == expected.partition(": ")[2]
    assert only.partition(":")[0] == expected.partition(":")[0]


MIGRATION = """
from typing import Any, Mapping
from airbyte_cdk.sources.declarative.declarative_stream import DeclarativeStream
from airbyte_cdk.sources.declarative.migrations.legacy_to_per_partition_state_migration import (
    LegacyToPerPartitionStateMigration,
)
from airbyte_cdk.sources.types import Config


class Numbered(LegacyToPerPartitionStateMigration):
    declarative_stream: DeclarativeStream
    config: Config

    def __init__(self, declarative_stream: DeclarativeStream, config: Config):
        super().__init__(
            declarative_stream.retriever.partition_router,
            declarative_stream.incremental_sync,
            config,
            declarative_stream.parameters,
        )
        assert declarative_stream.retriever.paginator is None

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        key, old = self._partition_key_field, stream_state.items()
        return {"states": [{"partition": {key: int(k)}, "cursor": v} for k, v in old]}
"""


def test_a_state_migration_looks_at_its_stream(tmp_path):
    """The stream is given as the manifest has it, with fields as attributes."""
    path = tmp_path / "source_shop"
    cursor = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "{{ parameters['field'] }}",
        "datetime_format": "%Y",
        "start_datetime": "2024",
        "$parameters": {"field": "at"},
    }
    router = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {
                "type": "ParentStreamConfig",
                "parent_key": "id",
                "partition_field": "shop",
                "stream": stream("shops"),
            }
        ],
    }
    file = connector(
        path,
        {"changes.py": MIGRATION},
        retriever={"partition_router": router},
        incremental_sync=cursor,
        state_migrations=[
            {"type": "CustomStateMigration", "class_name": "source_shop.changes.Numbered"}
        ],
        **{"$parameters": {"field": "at"}},
    )

    [migration] = next(s for s in compiled(file).need().streams if s.name == "items").migrations
    assert migration.function(Alone({}), {"7": {"at": "2024"}}) == {
        "states": [{"partition": {"shop": 7}, "cursor": {"at": "2024"}}]
    }


class _Watch(Alone):
    """A door whose clock moves by what is waited, and that keeps what it is told."""

    def __init__(self):
        super().__init__({})
        self.now, self.waits, self.said = 0.0, [], []

    def tell(self, code, message):
        self.said.append((code, message))

    def seconds(self):
        return self.now

    def pause(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


class _Short:
    """A retriever that does not get the whole list either."""

    def read_records(self, records_schema, stream_slice):
        yield {"n": stream_slice["parent_record"]["id"]}


@pytest.mark.parametrize(
    ("retriever", "made", "said"),
    [
        (None, [{"n": 1}, {"n": 2}],
         "lists at lines are cut short, and nothing says how to get the rest"),
        (_Short(), [{"n": 7}], "of a list at lines that has 5 items, the API gave 1"),
    ],
)  # fmt: skip
def test_a_list_that_stays_short_is_told(retriever, made, said):
    """What the API holds back is no secret: the receipt of the stream says so."""
    expander = extractors.RecordExpander(
        expand_records_from_field=["lines"],
        config={},
        parameters={},
        truncation_indicator_path=["more"],
        truncated_list_retriever=retriever,
    )
    record = {"id": 7, "more": True, "total_count": 5, "lines": [{"n": 1}, {"n": 2}]}
    door = _Watch()

    with Entered(door):
        assert list(expander.expand_record(record)) == made

    assert door.said == [("list-cut", said)]


def test_a_budget_waits_for_room_on_the_run_s_clock():
    """The first policy that fits counts; a moving window has room when its first call is old."""
    door = _Watch()
    slow = rates.MovingWindowCallRatePolicy(
        rates=[rates.Rate(limit=2, interval=timedelta(seconds=60))],
        matchers=[rates.HttpRequestMatcher(method="get", url="https://a.test/slow")],
    )
    budget = rates.APIBudget(policies=[slow, rates.UnlimitedCallRatePolicy(matchers=[])])
    asked = web.Request("GET", "https://a.test/slow", params={"page": 1}).prepare()
    other = web.Request("GET", "https://a.test/fast").prepare()

    with Entered(door):
        for request in (asked, other, asked, other, asked):
            budget.acquire_call(request)
            door.now += 1
        with pytest.raises(rates.CallRateLimitHit) as hit:
            budget.acquire_call(asked, block=False)

    assert door.waits == [56.0]
    assert hit.value.time_to_wait == timedelta(seconds=1)
