"""What functions of a script may ask the run that calls them, and what is refused."""

from __future__ import annotations

import pytest
from tests.dialects.dlt.test_scripts_called import compiled, stream

from penstock.dialects.airbyte.standin.calling import Alone
from penstock.dialects.dlt.standin import batches
from penstock.errors import ReadError
from penstock.plan.expr import Frame
from penstock.read.memory import Memory, Shared


@pytest.mark.parametrize("asked", ["dataset()['users'].df()", "sql_client().native_connection"])
def test_a_function_cannot_look_into_the_tables_that_its_run_has_in_hand(tmp_path, asked):
    """What is refused is named with its line, and what to ask in its place."""
    found = stream(
        tmp_path,
        f"""
@dlt.resource
def users():
    yield dlt.current.pipeline().{asked}
dlt.pipeline("shop", dataset_name="shop_data").run(users())
""",
    )
    door = Alone({})
    door.remembered = lambda: Memory("shop", "users", None, Shared({}, 1, {"users": {}}))
    with pytest.raises(ReadError) as failed:
        list(found.retrieve.function(door, Frame()))
    assert "pipeline.py:9: users failed: Penstock has no pipeline." in failed.value.message
    assert "in a function that a run calls" in failed.value.message
    assert "default_schema" in failed.value.hint


def test_rows_of_a_wrong_configuration_say_what_is_wrong(tmp_path):
    """It is compiled when a function goes through its rows, and what is wrong ends the function."""
    found = stream(
        tmp_path,
        """
from dlt.sources.rest_api import rest_api_resources
@dlt.resource
def users():
    yield {"id": 1}
    for row in rest_api_resources({"client": {"base_url": "https://a.test"}, "resources": [
            {"name": "x", "endpoint": {"pth": "y"}}]})[0]:
        yield row
""",
    )
    rows = iter(found.retrieve.function(Alone({}), Frame()))
    assert next(rows) == {"id": 1}
    with pytest.raises(ReadError, match=r"pipeline.py:1\d: users failed: .*'pth'") as failed:
        next(rows)
    assert "path" in failed.value.hint


def test_values_of_a_resource_that_a_function_goes_through_are_the_document_s(tmp_path):
    """They are asked for before the run, also inside of an auth object, and masked."""
    script = """
from dlt.sources.rest_api import rest_api_resources
made = rest_api_resources({
    "client": {"base_url": dlt.config["place"], "auth": BearerTokenAuth(dlt.secrets["token"])},
    "resources": ["x"]})[0]
@dlt.resource
def users():
    for row in made:
        yield {"id": row["id"]}
dlt.pipeline("shop", dataset_name="shop_data").run(users())
"""
    inputs = compiled(tmp_path, script).need().inputs
    assert [(one.name, one.secret) for one in inputs] == [("place", False), ("token", True)]


def test_resources_that_a_function_yields_beside_rows_are_refused(tmp_path):
    """As in dlt; what to write in their place is said."""
    script = """
    @dlt.resource
    def inner():
        yield {"id": 1}
    @dlt.resource
    def users():
        yield {"id": 2}
        yield inner()
    source = dlt.source(lambda: users, name="shop")()
    """
    rows = iter(stream(tmp_path, script).retrieve.function(Alone({}), Frame()))
    assert next(rows) == {"id": 2}
    with pytest.raises(ReadError, match="resources that a function yields beside rows") as failed:
        next(rows)
    assert failed.value.hint == "go through the rows of each: yield from RESOURCE"


def test_functions_may_look_at_the_source_that_they_are_part_of(tmp_path):
    """What they need is looked for once, though it leads back to them."""
    script = """
    @dlt.resource
    def users(key=dlt.secrets["token"]):
        yield {"tables": list(made.schema.tables), "others": len(list(other))}
    @dlt.resource
    def other():
        yield {"users": list(made.resources)}
    made = dlt.source(lambda: [users, other], name="shop")()
    dlt.pipeline("shop", dataset_name="shop_data").run(made)
    """
    assert [one.name for one in compiled(tmp_path, script).need().inputs] == ["token"]


def test_many_runs_of_one_resource_are_compared_with_few(tmp_path, monkeypatch):
    """What is compiled to tell which runs can be one grows with their number, not its square."""
    script = """
    from dlt.sources.rest_api import rest_api_source
    def source(nth):
        at = {"data_selector": "data"} if nth >= COUNT // 2 else {}
        return rest_api_source({"client": {"base_url": "https://a.test"}, "resources": [
            {"name": "x", "endpoint": {"path": "x", "params": {"nth": nth}, **at}}]})
    pipeline = dlt.pipeline("shop", dataset_name="shop_data")
    for nth in range(COUNT):
        pipeline.run(source(nth))
    """
    looked: list[int] = []
    is_one = batches._is_one

    def counted(document, runs):
        looked.append(len(runs))
        return is_one(document, runs)

    monkeypatch.setattr(batches, "_is_one", counted)
    sums = []
    for count in (8, 16):
        looked.clear()
        compiled(tmp_path, script.replace("COUNT", str(count)))
        sums.append(sum(looked))
    assert sums[1] < 2.2 * sums[0]
