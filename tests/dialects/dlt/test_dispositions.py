"""What the mapping of a `write_disposition` says, and what is told of it."""

import pytest
from tests.dialects.test_dlt_plan import stream

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import compile_source
from penstock.plan.hints import Column, Validity

SCD2 = {"disposition": "merge", "strategy": "scd2"}


def told(said, **more):
    """The diagnostics of a resource with this disposition: code, label's end and message."""
    resource = {"name": "a", "write_disposition": said, "primary_key": "id", **more}
    config = {"client": {"base_url": "https://api.test/"}, "resources": [resource]}
    found = compile_document(Document.from_object(config, "d"))
    return [(d.code, d.message) for d in found.diagnostics]


def test_versions_are_as_the_document_says():
    """Names, moments in UTC, and a column that has a value in every row."""
    said = {
        **SCD2,
        "validity_column_names": ["since", "until"],
        "active_record_timestamp": "9999-12-31",
        "boundary_timestamp": "2024-08-21T12:15:00+02:00",
        "row_version_column_name": "rev",
    }
    hints = stream(write_disposition=said, columns={"rev": {"data_type": "text"}}).hints
    assert hints.validity == Validity(
        since="since",
        until="until",
        version="rev",
        forever="9999-12-31T00:00:00+00:00",
        at="2024-08-21T10:15:00+00:00",
    )
    assert hints.columns == (Column(name="rev", type="text", nullable=False),)


@pytest.mark.parametrize("moment", [1724235300, 1724235300.0, "2024-08-21 10:15"])
def test_moments_are_spelled_in_several_ways(moment):
    """Seconds since 1970 are moments too, and texts without a zone are of UTC."""
    hints = stream(write_disposition={**SCD2, "boundary_timestamp": moment}).hints
    assert hints.validity.at == "2024-08-21T10:15:00+00:00"


def test_what_is_dlts_own_column_is_nothing_new():
    """`_dlt_id` is what tells versions apart anyway."""
    hints = stream(write_disposition={**SCD2, "row_version_column_name": "_dlt_id"}).hints
    assert hints.validity == Validity()
    assert not hints.columns


AT = "resources[0].write_disposition"
MOMENT = "a moment such as 2024-08-21T12:15:00Z"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"validity_column_names": ["since"]},
            ("wrong-type", f"{AT}.validity_column_names must be a list of two texts, not a list"),
        ),
        (
            {"boundary_timestamp": "soon"},
            ("wrong-type", f"{AT}.boundary_timestamp must be {MOMENT}, not a text"),
        ),
        (
            {"source_filter": "id > 1"},
            ("unsupported", "source_filter is a condition in SQL"),
        ),
        (
            {"destination_scope": "id > 1"},
            ("unsupported", "destination_scope is a condition in SQL"),
        ),
        (
            {"strategy": "upsert", "skip_unchanged_rows": True},
            ("gap", "skip_unchanged_rows is not honoured: it changes no value"),
        ),
        (
            {"strategy": "delete-insert", "row_version_column_name": "rev"},
            ("gap", "row_version_column_name means something with the strategy 'scd2'"),
        ),
    ],
)
def test_what_cannot_be_meant_is_told(more, expected):
    """Each with the key that it is about."""
    assert told({**SCD2, **more}) == [expected]


def test_a_row_that_says_it_is_deleted_is_a_version():
    """`hard_delete` changes nothing there, as in dlt."""
    columns = {"gone": {"data_type": "bool", "hard_delete": True}}
    message = "hard_delete of the column 'gone' does nothing with 'scd2'"
    assert told(SCD2, columns=columns) == [("gap", message)]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("replcae", "cannot be 'replcae'"),
        (3, "must be a text or a mapping, not a number"),
        (["replace"], "must be a text or a mapping, not a list"),
    ],
)
def test_what_is_no_disposition_is_told_as_what_it_is(said, message):
    """It may be a word, or a mapping that has one."""
    ((_code, told_of),) = told(said)
    assert told_of == f"resources[0].write_disposition {message}"


@pytest.mark.parametrize(("value", "write"), [("replace", "replace"), ("skip", "append")])
def test_a_disposition_may_be_a_value_of_the_settings(tmp_path, value, write):
    """One that is known; a word that is none is told as such, and so is a value nobody has said."""
    script = tmp_path / "script.py"
    script.write_text(
        "import dlt\nfrom dlt.sources.rest_api import rest_api_source\n"
        "source = rest_api_source({'client': {'base_url': 'https://api.test/'}, 'resources': ["
        "{'name': 'a', 'write_disposition': dlt.config['mode']}]})\n"
    )
    assert compile_source(str(script), {"mode": value}).need().streams[0].hints.write == write
    wrong = [compile_source(str(script), given).diagnostics for given in ({"mode": "x"}, {})]
    assert [[d.message for d in found] for found in wrong] == [
        ["resources[0].write_disposition cannot be 'x'"],
        ["resources[0].write_disposition must be a text, not a reference without a value"],
    ]
