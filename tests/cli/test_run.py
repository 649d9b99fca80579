"""`penstock run`: options, exit codes, and what stands on stdout and stderr."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb
import msgspec
import pytest
from tests.cli.fakes import (
    ERROR,
    FULL_RUN,
    SECOND,
    SECRET,
    WARNING,
    Compiled,
    FakeEngine,
    Options,
    Result,
    receipt,
    started,
)

from penstock import errors, events
from penstock.cli.summary import duckdb_file


def test_options_reach_the_engine(call):
    """Every option of `run` is passed on; `--select` and `--allow-origin` add up."""
    engine = FakeEngine()
    result = call(
        engine,
        *("run", "doc.yaml", "--to", "x.duckdb", "--db-schema", "raw", "--wait", "5", "--takeover"),
        *("--concurrency", "4", "--nesting", "json", "--publish", "p.duckdb"),
        *("--keep-pages", "kept"),
        *("--allow-origin", "https://a", "--allow-origin", "https://b"),
        *("--full-refresh", "--select", "users,messages", "--select", "users"),
        *(
            "--dlt-columns",
            "--base-url",
            "http://127.0.0.1:1",
            "--set",
            "region=us",
            "--set",
            "n:=[1]",
        ),
        *("--deny-private", "--max-body", "2", "--keep-bad-pages", "bad", "--files", "got"),
    )
    assert result.exit_code == 0, result.output
    _, name, values, destination, options = engine.call("execute")
    assert (name, destination) == ("fake", "x.duckdb")
    assert values == {"api_key": SECRET, "region": "us", "n": [1]}
    assert options == Options(
        select=("users", "messages"),
        full_refresh=True,
        db_schema="raw",
        base_url="http://127.0.0.1:1",
        takeover=True,
        wait=5.0,
        concurrency=4,
        nesting="json",
        publish="p.duckdb",
        keep_pages="kept",
        allow_origins=("https://a", "https://b"),
        dlt_columns=True,
        deny_private=True,
        max_body=2 * 1024 * 1024,
        keep_bad_pages=Path("bad"),
        files=Path("got"),
        alone=True,
    )


def test_default_destination_is_named_after_the_source(call):
    """Without `--to` rows go to `<source>.duckdb`, and the engine chooses the schema."""
    engine = FakeEngine()
    call(engine, "run", "doc.yaml")
    assert engine.call("execute")[3:] == ("fake.duckdb", Options(alone=True))


@pytest.mark.parametrize("to", [None, "x.duckdb", "postgres://h/db"])
def test_the_destination_is_prepared_before_the_document_is_read(call, to):
    """What opening takes in any case goes on in the background meanwhile."""
    engine = FakeEngine()
    call(engine, "run", "doc.yaml", *(("--to", to) if to else ()))
    assert engine.prepared == [to or "any.duckdb"]


def test_config_file_gives_values_and_set_wins(call, tmp_path):
    """`--config` is a JSON object, nested or flat; `--set` reaches into it."""
    (tmp_path / "c.json").write_text('{"api_key": {"id": 1, "key": "from-config"}, "region": "x"}')
    engine = FakeEngine()
    call(engine, "run", "d", "--config", "c.json", "--set", "api_key.key=k", "--set", "region=y")
    assert engine.call("execute")[2] == {"api_key": {"id": 1, "key": "k"}, "region": "y"}


@pytest.mark.parametrize(
    ("status", "code"),
    [("done", 0), ("skipped", 0), ("failed", 1), ("partial", 3), ("interrupted", 130)],
)
def test_exit_code_follows_the_status(call, status, code):
    """Done is 0, failed 1, partial 3, interrupted 130; and each says how to go on."""
    result = call(FakeEngine(result=Result(status=status)), "run", "d")
    assert result.exit_code == code
    assert ("the same command" in result.stderr) == (code != 0)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (errors.LockedError("owned by pid 7", hint="wait"), 1, "error[locked]: owned by pid 7"),
        (errors.Interrupted("stopped at a checkpoint"), 130, "interrupted"),
        (errors.PlanError([ERROR]), 2, "error[unknown-key]"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 1, "error[os]: [Errno 28] No space left"),
        (
            errors.StatusError("answered 500", status=500, request="GET /users?token=abc"),
            1,
            "error[status]: answered 500 [GET /users?token=***]",
        ),
    ],
)
def test_failures_have_a_code_and_no_trace(call, raised, code, said):
    """What the engine raises is one line with a code and a hint, and decides the exit code."""
    result = call(FakeEngine(result=raised), "run", "d")
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_bug_says_so_and_how_to_see_the_trace(call):
    """An unexpected exception is one line without a trace; `--debug` shows it, masked."""
    engine = FakeEngine(result=ValueError(f"no row for {SECRET}"))
    plain = call(engine, "run", "d")
    assert plain.exit_code == 1
    assert "this is a bug in Penstock, not in your document: ValueError: no row for ***" in (
        plain.stderr
    )
    assert "--debug" in plain.stderr
    assert "Traceback" not in plain.stderr
    for arguments in (["run", "d", "--debug"], ["--debug", "run", "d"]):
        traced = call(engine, *arguments)
        assert "Traceback" in traced.stderr
        assert "ValueError: no row for ***" in traced.stderr
        assert SECRET not in traced.output


def test_json_is_one_object_on_stdout(call):
    """`--json` prints the receipts with their warnings; people still read stderr."""
    note = events.Note(code="count", message=f"token {SECRET} told 9")
    lost = events.Failure(slice="2024-01-01", code="status", message="500", hint="run again")
    given = receipt(warnings=(note,), failures=(lost,), rows_by_table={"users": 1234})
    engine = FakeEngine(
        Compiled(diagnostics=(WARNING,)), Result(status="partial", receipts=(given,)), FULL_RUN
    )
    result = call(engine, "run", "d", "--json")
    told = json.loads(result.stdout)
    assert {k: told[k] for k in ("run_id", "source", "destination", "db_schema", "status")} == {
        "run_id": "run-1",
        "source": "fake",
        "destination": "fake.duckdb",
        "db_schema": "fake",
        "status": "partial",
    }
    (stream,) = told["streams"]
    assert (stream["name"], stream["status"], stream["rows"]) == ("users", "done", 1234)
    assert stream["requests"] == 13
    assert stream["warnings"] == [{"code": "count", "message": "token *** told 9"}]
    assert stream["failures"][0]["hint"] == "run again"
    assert told["diagnostics"][0]["code"] == "page-base"
    assert "missing[status] users 2024-01-01: 500" in result.stderr
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("engine", "code", "status", "named"),
    [
        (FakeEngine(Compiled(source=None, diagnostics=(ERROR, SECOND))), 2, "failed", "plan"),
        (FakeEngine(result=errors.LockedError("owned")), 1, "failed", "locked"),
        (FakeEngine(result=KeyboardInterrupt()), 130, "interrupted", "interrupted"),
    ],
)
def test_json_is_one_object_also_on_failure(call, engine, code, status, named):
    """A program that reads `--json` gets its object whatever happened."""
    result = call(engine, "run", "d", "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == code
    assert (told["status"], told["streams"], told["error"]["code"]) == (status, [], named)


def test_all_errors_of_a_document_are_shown_at_once(call):
    """A document with errors exits 2 before anything runs, every error with its marked line."""
    engine = FakeEngine(Compiled(source=None, diagnostics=(ERROR, WARNING, SECOND)))
    result = call(engine, "run", "d")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[:6] == [
        "error[unknown-key]: no key is called 'page_numbr'",
        "  --> doc.yaml:12:7",
        "   |",
        "12 | \tkey: page_numbr  # 语",
        "   | \t     ^^^^^^^^^^",
        "  hint: did you mean 'page_number'?",
    ]
    assert "error[type]: resources must be a list" in result.stderr
    assert result.stderr.endswith("2 errors, 1 warning\n")
    assert [c[0] for c in engine.asked] == ["compile"]


def test_repairs_are_said_before_the_run(call):
    """Warnings about the document go to stderr, ahead of anything the run says."""
    engine = FakeEngine(Compiled(diagnostics=(WARNING,)), script=FULL_RUN)
    result = call(engine, "run", "d")
    assert result.stdout == ""
    assert result.stderr.startswith("warning[page-base]: pages are counted from 1\n")
    assert result.stderr.index("say base_page: 1") < result.stderr.index("users: started")


def test_a_pipe_gets_plain_lines_and_the_way_to_the_data(call):
    """Start, long waits, warnings, ends, a table, and the command that shows the data."""
    result = call(FakeEngine(script=FULL_RUN), "run", "d")
    lines = result.stderr.splitlines()
    assert lines[:5] == [
        "fake → fake.duckdb: 2 streams",
        "users: started",
        "users: waits 30 s (429)",
        "warning[count] users: 1,234 of 1,300 rows for ***",
        "users: done, 1,234 rows, 13 requests, 1.5 s",
    ]
    assert "users   done    1,234        13         0      1.5" in lines
    assert "fake → fake.duckdb, schema fake: done in 1.5 s" in lines
    assert lines[-1].startswith("  look at it: ")
    assert "FROM fake.fake.users LIMIT 10" in lines[-1]
    assert "\x1b" not in result.stderr


def test_a_warning_is_said_once(call):
    """What was said while the run went on is not said again at its end."""
    note = events.Note(code="count", message="9 of 10")
    script = (started("users"), events.Warned(stream="users", code="count", message="9 of 10"))
    result = call(FakeEngine(result=Result(receipts=(receipt(warnings=(note,)),)), script=script),
                  "run", "d")  # fmt: skip
    assert result.stderr.count("9 of 10") == 1


def test_quiet_says_only_what_is_wrong(call):
    """`--quiet` leaves warnings and failures."""
    lost = events.SliceFailed(stream="users", slice="7", error="answered 500")
    result = call(FakeEngine(script=(*FULL_RUN, lost)), "run", "d", "--quiet")
    assert result.stderr.splitlines() == [
        "warning[count] users: 1,234 of 1,300 rows for ***",
        "failed users: 7: answered 500",
    ]


def test_of_many_slices_that_fail_the_first_are_said(call):
    """The others are counted at the end: a line for each of thousands would hide all else."""
    lost = [
        events.SliceFailed(stream="users", slice=str(n), error="answered 404") for n in range(50)
    ]
    result = call(FakeEngine(script=(*FULL_RUN, *lost)), "run", "d", "--quiet")
    said = [line for line in result.stderr.splitlines() if line.startswith("failed users")]
    assert said == [f"failed users: {n}: answered 404" for n in range(20)]
    assert result.stderr.count("users: more of it fails; the end counts it\n") == 1


def test_a_missing_value_names_every_place(call, monkeypatch):
    """Without a value the run does not start, and the places looked at are named."""
    monkeypatch.delenv("PENSTOCK__API_KEY")
    engine = FakeEngine()
    result = call(engine, "run", "d")
    assert result.exit_code == 2
    for place in ("--set api_key=…", "--config", "PENSTOCK__API_KEY", "SOURCES__FAKE__API_KEY",
                  ".env (not there)", ".dlt/secrets.toml (not there)"):  # fmt: skip
        assert place in result.stderr
    assert "hint: set PENSTOCK__API_KEY in the environment, or pass --set api_key=…" in (
        result.stderr
    )
    assert [c[0] for c in engine.asked] == ["compile"]


def test_an_unknown_stream_is_an_error_with_the_nearest(call):
    """`--select` of a name that no stream has exits 2 and names the nearest."""
    result = call(FakeEngine(), "run", "d", "--select", "user,xyz")
    assert result.exit_code == 2
    assert "no stream is called 'user'" in result.stderr
    assert "did you mean 'users'?" in result.stderr
    assert "there are: users, messages" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Missing argument 'SOURCE'"),
        (["run", "d", "--set", "novalue"], "write it as NAME=VALUE"),
        (["run", "d", "--set", "n:={"], "what stands behind n:= is not JSON"),
        (["run", "d", "--config", "none.json"], "does not exist"),
        (["run", "d", "--concurrency", "0"], "--concurrency"),
        (["run", "d", "--selct", "x"], "--selct"),
        (["rnu"], "no command is called 'rnu'; did you mean 'run'?"),
        (["state", "shwo"], "no command is called 'shwo'; did you mean 'show'?"),
    ],
)
def test_a_wrong_call_exits_2(call, arguments, said):
    """A call that cannot be understood exits 2, says why, and does nothing."""
    engine = FakeEngine()
    result = call(engine, *arguments)
    assert (result.exit_code, engine.asked) == (2, [])
    assert said in result.stderr
    assert result.stdout == ""


def test_a_config_that_is_no_object_is_refused(call, tmp_path):
    """`--config` must hold a JSON object."""
    for text, said in (("[1]", "holds no JSON object"), ("{", "is not JSON")):
        (tmp_path / "c.json").write_text(text)
        result = call(FakeEngine(), "run", "d", "--config", "c.json")
        assert result.exit_code == 2
        assert said in result.stderr


def test_control_characters_of_an_api_do_not_reach_the_terminal(call):
    """What an API says cannot move the cursor or change colours."""
    nasty = events.Warned(stream="users", code="x", message="a\x1b[2Jb\rc\u202ed")
    result = call(FakeEngine(script=(nasty,)), "run", "d")
    assert "a\\x1b[2Jb\\rc\\u202ed" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_call_without_a_command_shows_the_help(call):
    """Nothing to do is a wrong call; the help on stderr says what there is."""
    for arguments, shown in (([], "connectors  "), (["state"], "reset ")):
        result = call(FakeEngine(), *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Usage: penstock")
        assert shown in result.stderr


@pytest.mark.parametrize(
    ("destination", "file"),
    [
        ("x.duckdb", "x.duckdb"),
        ("a/b c.db", "a/b c.db"),
        ("duckdb:///tmp/x.db", "/tmp/x.db"),
        ("duckdb://rel/x.db", "rel/x.db"),
        ("C:/x.duckdb", "C:/x.duckdb"),
        ("postgresql://me:***@host/db", None),
        ("parquet:folder", None),
    ],
)
def test_the_way_to_the_data_fits_the_destination(call, destination, file):
    """A DuckDB file gets a command that opens it; for others only the place is said."""
    assert duckdb_file(destination) == file
    shown = call(FakeEngine(result=Result(destination=destination)), "run", "d").stderr
    assert ("look at it" in shown) is (file is not None)


def test_the_way_to_the_data_can_be_typed(call, tmp_path):
    """The command that is printed runs in a shell, also for names that need quotes."""
    with duckdb.connect(tmp_path / "it's.duckdb") as file:
        file.execute('CREATE SCHEMA "my-chat"')
        file.execute("""CREATE TABLE "my-chat"."a""b" AS SELECT 4711 AS n""")
    loaded = msgspec.structs.replace(receipt(), table='a"b')
    given = Result(destination="it's.duckdb", db_schema="my-chat", receipts=(loaded,))
    shown = call(FakeEngine(result=given), "run", "d").stderr
    command = shown.rpartition("look at it: ")[2].strip()
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    assert "4711" in done.stdout
