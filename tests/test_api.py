"""Penstock from Python: documents loaded, streams read in every form, and loads with receipts."""

from __future__ import annotations

import asyncio
import builtins
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import penstock
from penstock.emulator import EmulatorServer, Settings

RECORDS = 120
CREDENTIALS = {"client_id": "demo-client", "client_secret": "demo-secret"}


@pytest.fixture(scope="module")
def server():
    with EmulatorServer("chat", Settings(records=RECORDS)) as running:
        yield running


@pytest.fixture
def source(server):
    return penstock.load("chat", **CREDENTIALS).at(server.url)


def test_a_document_is_loaded_with_its_streams_and_inputs(source):
    """What a document says can be looked at before anything is asked."""
    assert (source.name, source.streams) == ("chat", ("chat_messages",))
    assert source.inputs == ("client_id", "client_secret")
    assert repr(source) == "<penstock.Source chat: chat_messages>"


def test_pages_are_lists_of_records(server, source):
    """`read` gives what the API has, each record once."""
    pages = list(source.read("chat_messages"))
    truth = {record["id"] for record in server.truth("chat_messages")}
    assert all(isinstance(page, list) for page in pages)
    assert {r["id"] for page in pages for r in page} == truth
    assert sum(map(len, pages)) == RECORDS == len(truth)


def test_reading_can_stop_early_and_start_again(source):
    """Whoever takes only the first page leaves nothing behind."""
    for _ in range(3):
        first = next(iter(source.read("chat_messages")))
        assert first


def test_reading_inside_a_loop(source):
    """The asynchronous twins give the same, in the loop that is running."""

    async def read():
        pages = [page async for page in source.read_async("chat_messages")]
        table = await source.arrow_async("chat_messages")
        tables = await source.tables_async("chat_messages")
        return sum(map(len, pages)), table.num_rows, len(tables), source.arrow("chat_messages")

    records, rows, tables, blocking = asyncio.run(read())
    assert (records, rows) == (RECORDS, RECORDS)
    assert tables > 1
    assert blocking.num_rows == RECORDS


def test_arrow_tables_are_those_of_a_load(source, tmp_path):
    """Names, types and rows are what a load of the same stream gives."""
    tables = source.tables("chat_messages")
    result = source.run(tmp_path / "loaded.duckdb")
    assert result.status == "done"
    assert [(r.stream, r.rows) for r in result.receipts] == [("chat_messages", RECORDS)]
    with duckdb.connect(str(tmp_path / "loaded.duckdb")) as db:
        for name, table in tables.items():
            loaded = db.sql(f'SELECT * FROM chat."{name}"').to_arrow_table()
            assert loaded.num_rows == table.num_rows
            assert [c for c in loaded.column_names if c != "_penstock_load_id"] == [
                c for c in table.column_names if c != "_penstock_load_id"
            ]
    assert source.arrow("chat_messages").num_rows == RECORDS


def test_a_dict_is_a_document(server):
    """A configuration that is a dict already needs no file."""
    loaded = penstock.load(
        {
            "client": {
                "base_url": server.url,
                "auth": {
                    "type": "oauth2_client_credentials",
                    "access_token_url": f"{server.url}/oauth/token",
                    "client_id": 'dlt.secrets["client_id"]',
                    "client_secret": 'dlt.secrets["client_secret"]',
                },
            },
            "resources": [{"name": "some", "endpoint": {"path": "/nowhere"}}],
        },
        **CREDENTIALS,
    )
    assert loaded.streams == ("some",)
    assert loaded.values == CREDENTIALS


def test_errors_of_a_document_are_raised_all_at_once():
    """What is wrong with a document is told when it is loaded, every part of it."""
    with pytest.raises(penstock.PlanError) as caught:
        penstock.load({"client": {"base_ur": ""}, "resources": [{"nam": "a"}]})
    assert len([d for d in caught.value.diagnostics if d.severity == "error"]) > 2


def test_a_missing_value_is_told_when_it_is_needed(monkeypatch, tmp_path):
    """A document can be looked at without its secrets; reading it names what is missing."""
    monkeypatch.chdir(tmp_path)
    loaded = penstock.load("chat", client_id="x")
    with pytest.raises(penstock.PlanError, match="no value for 'client_secret'"):
        loaded.read("chat_messages")


def test_an_unknown_stream_names_the_nearest(source):
    """A stream that is not there is an error, before anything is asked."""
    with pytest.raises(penstock.PlanError, match="chat_message"):
        list(source.read("chat_message"))
    with pytest.raises(penstock.PlanError, match="chat_message"):
        source.arrow("chat_message")


def test_run_is_one_call(source, tmp_path):
    """A source and a destination are enough."""
    result = penstock.run(source, tmp_path / "one.duckdb", db_schema="mine")
    assert (result.status, result.db_schema) == ("done", "mine")


def test_a_run_of_a_script_goes_where_the_script_says(server, tmp_path, monkeypatch):
    """Without `to` the script's destination and dataset are used, with its disposition."""
    monkeypatch.chdir(tmp_path)
    Path("load.py").write_text(
        "import dlt\nfrom dlt.sources.rest_api import rest_api_source\n"
        f"source = rest_api_source({{'client': {{'base_url': {server.url!r}}}, 'resources': [\n"
        "    {'name': 'health', 'endpoint': {'path': '/nowhere', 'data_selector': '$',\n"
        "     'response_actions': [{'status_code': 404, 'action': 'ignore'}],\n"
        "     'paginator': 'single_page'}}]})\n"
        "p = dlt.pipeline('things', destination='duckdb', dataset_name='kept')\n"
        "p.run(source, write_disposition='replace')\n"
    )
    loaded = penstock.load("load.py")
    assert loaded.plan.streams[0].hints.write == "replace"
    result = loaded.run()
    assert (result.db_schema, result.status) == ("kept", "done")
    assert Path("things.duckdb").exists()


def test_a_library_that_is_missing_is_named(source, monkeypatch):
    """Polars and pandas are the user's: without them there is one clear error."""
    real = builtins.__import__

    def refuse(name, *args, **named):
        if name.split(".")[0] in {"polars", "pandas"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **named)

    for name in [n for n in sys.modules if n.split(".")[0] in {"polars", "pandas"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(penstock.Error, match="polars is not installed"):
        source.pl("chat_messages")


def test_the_drop_in_reads_what_its_dict_says(server, tmp_path):
    """Who changes the import has a source that reads, with references for its secrets."""
    from penstock.dlt import incremental, rest_api_source, secrets  # noqa: PLC0415 (the subject)

    source = rest_api_source(
        {
            "client": {"base_url": server.url, "auth": {"type": "bearer", "token": secrets["k"]}},
            "resources": [
                {
                    "name": "users",
                    "endpoint": {"path": "u", "params": {"since": incremental("at")}},
                }
            ],
        },
        name="mine",
    )
    assert (source.name, source.streams, source.inputs) == ("mine", ("users",), ("k",))
    assert source.plan.streams[0].cursor is not None
    script = tmp_path / "s.py"
    script.write_text(
        "from penstock.dlt import rest_api_source\nnames = [n for n in 'ab']\n"
        "source = rest_api_source({'client': {'base_url': ''}, 'resources': names})\n"
    )
    assert penstock.load(script).streams == ("a", "b")


def test_reading_in_threads_survives_many_rounds(server, tmp_path):
    """Clients made in threads that end do not take the process with them."""
    code = (
        "import penstock, sys\n"
        "source = penstock.load('chat', client_id='demo-client', client_secret='demo-secret')\n"
        "source = source.at(sys.argv[1])\n"
        "for _ in range(4):\n"
        "    assert sum(map(len, source.read('chat_messages'))) > 0\n"
        "    assert source.arrow('chat_messages').num_rows > 0\n"
        "print('whole')\n"
    )
    script = tmp_path / "rounds.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), server.url],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "whole\n", "")


@pytest.mark.parametrize(
    ("disposition", "destination"),
    [*((d, "loaded.duckdb") for d in ("append", "merge", "replace")), ("append", "parquet://lake")],
)
def test_a_load_imports_no_more_than_it_needs(
    disposition, destination, server, run_python, tmp_path
):
    """Wrappers of 300 functions, and pandas where it is installed, take longer than pyarrow."""
    auth = {
        "type": "oauth2_client_credentials",
        "access_token_url": f"{server.url}/oauth/token",
        **CREDENTIALS,
    }
    paginator = {"type": "offset", "limit": 50, "total_path": None}
    endpoint = {"path": "/v1/messages", "data_selector": "messages", "paginator": paginator}
    document = {
        "client": {"base_url": server.url, "auth": auth},
        "resources": [
            {
                "name": "messages",
                "write_disposition": disposition,
                "primary_key": "id",
                "endpoint": endpoint,
            }
        ],
    }
    code = (
        f"import os, sys, penstock; os.chdir({str(tmp_path)!r});"
        f"source = penstock.load({document!r});"
        f"results = [source.run({destination!r}) for _ in range(2)];"
        "assert [r.status for r in results] == ['done', 'done'];"
        "print(results[0].receipts[0].rows, *(n for n in"
        " ('pyarrow', 'pyarrow.compute', 'pandas') if n in sys.modules))"
    )
    assert run_python(code) == f"{RECORDS} pyarrow"
