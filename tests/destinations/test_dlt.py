"""Checkpoints of tables that have dlt's columns, in the databases that dlt loads into as well."""

import msgspec
import pytest
from msgspec.structs import replace
from tests.destinations.orders import KEY, NESTED, STREAM, checkpoint, order
from tests.destinations.places import PLACES, Opener
from tests.destinations.places import SCHEMA as SCHEMA_NAME

from penstock.destinations.base import Append, Checkpoint, DltLoad, Merge, Replace
from penstock.errors import DestinationError
from penstock.shape.schema import DLT, LIST_INDEX, LOAD_ID, PARENT_ID, ROW_ID, Batch

RENAMED = {
    LOAD_ID: DLT.load_id,
    ROW_ID: DLT.row_id,
    PARENT_ID: DLT.parent_id,
    LIST_INDEX: DLT.list_index,
}
SAID = DltLoad(source="shop", resource="orders", write="append")


@pytest.fixture(params=["duckdb", "postgres"])
def place(request, tmp_path):
    """An empty database of each kind that dlt loads into as well."""
    return PLACES[request.param](tmp_path)


@pytest.fixture
def opened(place):
    """Opens sessions on `place`."""
    opener = Opener(place)
    yield opener
    opener.close()


def _table(table):
    columns = [c for c in table.columns if table.parent is None or c.name != LOAD_ID]
    named = tuple(replace(c, name=RENAMED.get(c.name, c.name)) for c in columns)
    return replace(table, columns=named, system="dlt")


SCHEMA = replace(NESTED, tables=tuple(_table(t) for t in NESTED.tables))


OTHERS = replace(SCHEMA.root, name="others")


def _renamed(table, data):
    data = data.drop_columns([LOAD_ID]) if table.parent else data
    return data.rename_columns([RENAMED.get(name, name) for name in data.column_names])


def loaded(load_id, *orders, said=SAID, **more):
    """A checkpoint of orders in dlt's columns."""
    made = checkpoint(load_id, orders, **more)
    batches = [
        Batch(tables={t.name: _renamed(t, batch.tables[t.name]) for t in NESTED.tables})
        for batch in made.batches
    ]
    return replace(made, schema=SCHEMA, batches=batches, dlt=said)


def _values(place, table, column="value"):
    return sorted(row[column] for row in place.rows(table))


def _loads(place):
    return _values(place, "_dlt_loads", "load_id")


def test_rows_that_are_taken_back_take_what_is_below_along(opened, place):
    """Rows below do not say of which load they are: they go with the rows above them."""
    session = opened()
    session.commit(loaded("1.1", order(1), order(2)))
    session.commit(loaded("1.2", order(3)))
    session.commit(loaded("1.3", order(4, lines=1), retract=("1.1",)))
    assert _values(place, "orders", "id") == [3, 4]
    assert _values(place, "orders__lines") == ["3.0", "3.1", "4.0"]
    assert _values(place, "orders__lines__notes") == ["3.0!", "3.1!", "4.0!"]


def test_a_load_is_told_with_its_rows_or_not_at_all(opened, place):
    """What fails before the commit leaves neither rows nor a word in dlt's tables."""

    def fault(point):
        if point == "commit:before":
            raise KeyboardInterrupt

    session = opened(fault=fault)
    with pytest.raises(KeyboardInterrupt):
        session.commit(loaded("1.1", order(1)))
    session.close()
    assert not place.tables() & {"orders", "_dlt_loads", "_dlt_version", "_dlt_pipeline_state"}
    opened("run2").commit(loaded("1.1", order(1)))
    assert _loads(place) == ["1.1"]


def test_a_load_is_told_once(opened, place):
    """A checkpoint that the ledger knows is not told again."""
    session = opened()
    session.commit(loaded("1.1", order(1)))
    assert session.commit(loaded("1.1", order(1))).already
    assert _loads(place) == ["1.1"]


def test_loads_of_a_generation_are_told_when_it_is_shown(opened, place):
    """What cannot be seen yet is not loaded."""
    session = opened()
    session.commit(loaded("1.1", order(1), write=Replace(generation="g")))
    assert "_dlt_loads" not in place.tables()
    session.commit(loaded("1.2", order(2), write=Replace(generation="g", swap=True)))
    assert _loads(place) == ["1.1", "1.2"]


def test_loads_that_are_not_told_count_as_the_last(opened, place):
    """Of a replacement that was cut off only the ledger knows: no other load may have its name."""
    session = opened()
    state = (("cursor", "1"),)
    words = Checkpoint(
        load_id="20260101T000000-ab12.9",
        run_id="r",
        stream="other",
        write=Append(),
        schema=None,
        state=state,
    )
    session.commit(words)
    session.commit(loaded("1700000001.5", order(2)))
    session.commit(loaded("1700000009.5", order(3), write=Replace(generation="g")))
    assert session.last_dlt_load() == "1700000009.5"


def test_merged_rows_keep_what_is_below_them_in_step(opened, place):
    """A merge finds the rows below by dlt's columns."""
    session = opened()
    merge = Merge(key=KEY)
    session.commit(loaded("1.1", order(1), order(2), write=merge))
    session.commit(loaded("1.2", order(2, "new", 1), write=merge))
    assert _values(place, "orders__lines") == ["1.0", "1.1", "2.0"]


def test_the_schema_gets_a_version_only_when_it_changes(opened, place):
    """The document of dlt is written once for each change of the tables."""
    session = opened()
    session.commit(loaded("1.1", order(1)))
    session.commit(loaded("1.2", order(2)))
    [row] = place.rows("_dlt_version")
    document = msgspec.json.decode(row["schema"])
    assert (row["version"], row["schema_name"]) == (1, "shop")
    assert document["tables"]["orders__lines"]["parent"] == "orders"
    assert document["tables"]["orders"]["columns"]["_dlt_id"]["row_key"]


def test_the_cursor_is_told_to_dlt(opened, place):
    """A checkpoint that moves the cursor leaves a state that names the pipeline and the value."""
    session = opened()
    moved = replace(SAID, cursor="at", last=5, hashes=("h",))
    session.commit(loaded("1.1", order(1), said=moved))
    session.commit(loaded("1.2", order(2), said=replace(moved, last=7)))
    assert _values(place, "_dlt_pipeline_state", "version") == [1, 2]
    session.close()
    [state] = opened.destination().dlt_states(SCHEMA_NAME)
    held = state["sources"]["shop"]["resources"][STREAM]["incremental"]["at"]
    assert (state["pipeline_name"], state["_state_version"]) == ("shop", 2)
    assert held == {"initial_value": None, "start_value": 5, "last_value": 7,
                    "unique_hashes": ["h"]}  # fmt: skip


def test_the_newest_state_holds_what_every_stream_told(opened, place):
    """Dlt goes on from the state of the greatest load id, in whatever order loads were kept."""
    session = opened()
    later = loaded("1.2", order(1), said=replace(SAID, cursor="at", last=1))
    session.commit(later)
    session.commit(
        Checkpoint(
            load_id="1.1",
            run_id="run1",
            stream="others",
            write=Append(),
            schema=replace(SCHEMA, stream="others", tables=(OTHERS,)),
            dlt=replace(SAID, cursor="at", last=2),
        )
    )
    newest = max(place.rows("_dlt_pipeline_state"), key=lambda row: row["_dlt_load_id"])
    session.close()
    [state] = opened.destination().dlt_states(SCHEMA_NAME)
    assert newest["version"] == state["_state_version"] == 2
    assert set(state["sources"]["shop"]["resources"]) == {STREAM, "others"}


def test_tables_that_others_made_are_not_taken_over(opened, place):
    """A table of the stream's name that no document of dlt describes is not dlt's."""
    session = opened()
    place.by_hand("CREATE TABLE {} (id BIGINT)", "orders")
    assert session.adopt(STREAM, "orders") is None
    with pytest.raises(DestinationError, match="was not made by this stream"):
        session.commit(loaded("1.1", order(1), write=Append()))
