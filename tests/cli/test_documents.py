"""`check`, `plan`, `read` and `state`: what they ask of the engine and what they print."""

from __future__ import annotations

import json

import pytest
from tests.cli.fakes import ERROR, SECOND, SECRET, WARNING, Compiled, FakeEngine

from penstock import events
from penstock.errors import Diagnostic, Place, PlanError
from penstock.plan.auth import Basic, Bearer, Choose, Jwt, SessionToken, client_credentials
from penstock.plan.expr import Const, Object
from penstock.plan.request import JsonBody, Param, Request, Slot
from penstock.plan.source import Source, Stream


def test_check_takes_several_documents(call):
    """Each document has its own verdict; one with an error makes the exit code 2."""
    engine = FakeEngine(
        {
            "good.yaml": Compiled(diagnostics=(WARNING,)),
            "bad.yaml": Compiled(source=None, diagnostics=(ERROR, SECOND)),
        }
    )
    result = call(engine, "check", "good.yaml", "bad.yaml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "ok  good.yaml (dlt): 1 warning" in result.stderr
    assert "not usable  bad.yaml: 2 errors" in result.stderr
    assert call(engine, "check", "good.yaml").exit_code == 0


def test_check_json_has_an_entry_for_each_document(call):
    """The shape scripts rely on: `sources[]` with `diagnostics[]`, places and hints."""
    engine = FakeEngine({"a": Compiled(), "b": Compiled(source=None, diagnostics=(ERROR, SECOND))})
    result = call(engine, "check", "a", "b", "--json")
    assert result.exit_code == 2
    assert result.stderr == ""
    assert json.loads(result.stdout) == {
        "sources": [
            {"source": "a", "ok": True, "dialect": "dlt", "diagnostics": []},
            {
                "source": "b",
                "ok": False,
                "dialect": "dlt",
                "diagnostics": [
                    {
                        "code": "unknown-key",
                        "severity": "error",
                        "message": "no key is called 'page_numbr'",
                        "file": "doc.yaml",
                        "line": 12,
                        "column": 7,
                        "hint": "did you mean 'page_number'?",
                    },
                    {
                        "code": "type",
                        "severity": "error",
                        "message": "resources must be a list",
                        "file": None,
                        "line": None,
                        "column": None,
                        "hint": None,
                    },
                ],
            },
        ]
    }


def test_check_takes_what_the_engine_raises_as_a_finding(call):
    """A document that cannot even be found is an entry like any other."""

    class Refusing(FakeEngine):
        def compile_source(self, spec, values=None):
            raise PlanError([SECOND])

    result = call(Refusing(), "check", "x", "--json")
    assert result.exit_code == 2
    (entry,) = json.loads(result.stdout)["sources"]
    assert (entry["ok"], entry["dialect"]) == (False, None)
    assert entry["diagnostics"][0]["code"] == "type"


def test_a_secret_in_the_marked_line_is_masked_and_the_mark_still_fits(call):
    """A key written into the document is not repeated, and the caret stays below its word."""
    line = '"token": "abcdefgh", "typ": 1'
    found = Diagnostic(
        code="unknown-key",
        severity="error",
        message="no key is called 'typ'",
        place=Place(file="d", line=3, column=22, text=line),
    )
    result = call(FakeEngine(Compiled(source=None, diagnostics=(found,))), "check", "d")
    assert '3 | "token": "********", "typ": 1' in result.stderr
    assert "  | " + " " * 21 + "^^^^^" in result.stderr


def test_a_long_line_is_cut_around_the_mark(call):
    """A document on one line shows the part that matters."""
    line = "x" * 500 + " wrong " + "y" * 500
    found = Diagnostic(
        code="c",
        severity="error",
        message="m",
        place=Place(file="d", line=1, column=502, text=line),
    )
    result = call(FakeEngine(Compiled(source=None, diagnostics=(found,))), "check", "d")
    shown, marks = result.stderr.splitlines()[3:5]
    assert len(shown) < 130
    assert shown[marks.index("^") : marks.rindex("^") + 1] == "wrong"


def test_plan_shows_streams_as_a_tree_with_request_templates(call):
    """Children stand below their parents; placeholders are readable; facts are complete."""
    result = call(FakeEngine(), "plan", "d")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "fake (dlt) → fake.duckdb, schema fake",
        "limits: 20 requests at once",
        "values:",
        "  api_key (secret)  the key of your account",
        "  region = eu (optional)",
        "streams:",
        "└─ users",
        "   │    GET https://api.example.com/v2/users",
        "   │    query: sort=id, page=<page>, limit=20",
        "   │    auth: bearer token",
        "   │    records: users, call",
        "   │    pages: page number, from 0, 20 a page",
        "   │    errors: 3 retries on 429, 500, 502, 503, 504 and broken connections",
        "   │    table: users, merge, key id",
        "   │    columns: seen timestamp",
        "   └─ messages",
        "           GET https://api.example.com/users/{user_id}/messages",
        "           query: since={cursor.start}",
        "           auth: key in header X-Key",
        "           asked: once for each record of users (user_id=id)",
        "           records: the whole answer",
        "           pages: to be detected",
        "           new: updated, from 2024-01-01, in windows of P1D",
        "           errors: 3 retries on 429, 500, 502, 503, 504 and broken connections",
        "           table: messages, append",
    ]


def test_plan_json_is_the_plan_without_secrets(call):
    """`--json` is the plan itself: functions by name, what is secret in the document masked."""
    result = call(FakeEngine(), "plan", "d", "--json")
    plan = json.loads(result.stdout)
    users, messages = plan["streams"]
    assert users["records"]["steps"][0]["function"] == "keep_all"
    token = users["auth"]["token"]
    assert (token["type"], token["path"]) == ("Ref", ["api_key"])
    assert messages["auth"]["value"]["value"] == "***"
    assert "written-in-here" not in result.output


def test_plan_needs_no_values(call, monkeypatch):
    """A plan is shown before anyone has an account."""
    monkeypatch.delenv("PENSTOCK__API_KEY")
    assert call(FakeEngine(), "plan", "d").exit_code == 0


def test_read_prints_json_lines_verbatim(call):
    """Records are the API's, to the byte; `--limit` and `--base-url` reach the engine."""
    records = (b'{"id": 1.10}', f'{{"k":"{SECRET}"}}'.encode(), b'{"id":3}')
    engine = FakeEngine(records=records)
    result = call(engine, "read", "d", "users", "--limit", "2", "--base-url", "http://x")
    assert result.exit_code == 0, result.output
    assert result.stdout_bytes == b"\n".join(records[:2]) + b"\n"
    assert engine.call("read")[1:] == (
        "users",
        {"api_key": SECRET, "region": "eu"},
        2,
        "http://x",
        False,
    )
    assert engine.closed


@pytest.mark.parametrize(("records", "code"), [((), 1), ((b"{}",), 3)])
def test_read_says_what_is_missing(call, records, code):
    """A slice that failed is said on stderr: 3 if some records came, 1 if none did."""
    lost = events.SliceFailed(stream="users", slice="7", error="answered 500")
    result = call(FakeEngine(records=records, script=(lost,)), "read", "d", "users")
    assert result.exit_code == code
    assert "failed users: 7: answered 500" in result.stderr
    assert result.stdout == "{}\n" * len(records)


def test_read_of_an_unknown_stream_names_the_nearest(call):
    """A stream that does not exist exits 2."""
    result = call(FakeEngine(), "read", "d", "userz")
    assert result.exit_code == 2
    assert "error[stream-unknown]: no stream is called 'userz'" in result.stderr
    assert "hint: did you mean 'users'?" in result.stderr


def test_state_show_prints_json(call):
    """The state of the selected streams, as one object; no values are needed for it."""
    engine = FakeEngine(state={"users": {"cursor": "2024-01-01"}})
    result = call(engine, "state", "show", "d", "--to", "x.duckdb", "--select", "users")
    assert json.loads(result.stdout) == {"users": {"cursor": "2024-01-01"}}
    assert engine.call("show")[1:] == ("x.duckdb", None, ("users",))


def test_state_reset_says_what_was_forgotten(call):
    """`reset` takes the same options and `--takeover`; what it did is said on stderr."""
    engine = FakeEngine(state={"users": {}, "messages": {}})
    result = call(engine, "state", "reset", "d", "--db-schema", "raw", "--takeover")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "fake.duckdb: reset users, messages\n"
    assert engine.call("reset")[1:] == ("fake.duckdb", "raw", (), True)
    assert "nothing: there was no state" in call(FakeEngine(), "state", "reset", "d").stderr


@pytest.mark.parametrize("command", ["check", "plan", "run", "state show"])
def test_only_a_script_takes_arguments(call, command):
    """Behind `--` they are of a script; of anything else they are a mistake in the call."""
    result = call(FakeEngine(), *command.split(), "shop.yaml", "--", "--days", "3")
    assert result.exit_code == 2
    assert "only a script takes arguments behind --, and shop.yaml is none" in result.stderr


def test_every_command_has_help_that_names_debug(call):
    """Each command explains itself, and takes `--debug`."""
    for command in ("run", "check", "plan", "read", "emulate", "connectors", "demo", "version"):
        result = call(FakeEngine(), command, "--help")
        assert result.exit_code == 0
        assert "--debug" in result.stdout
    top = call(FakeEngine(), "--help").stdout
    for command in ("demo", "run", "check", "plan", "read", "state", "emulate", "connectors"):
        assert f"  {command} " in top


def test_secrets_written_into_a_document_are_masked_wherever_they_stand(call):
    """Keys, passwords, token requests, logins and headers: none shows in the plan."""
    kinds = (
        Bearer(token=Const(value="hard-coded-1")),
        Basic(username=Const(value="me"), password=Const(value="hard-coded-2")),
        client_credentials(
            url=Const(value="https://x/token"),
            client_id=Const(value="client-7"),
            client_secret=Const(value="hard-coded-3"),
        ),
        SessionToken(
            login=Request(
                url=Const(value="https://x/login"),
                body=JsonBody(
                    value=Object(items=((Const(value="password"), Const(value="hard-coded-4")),))
                ),
            ),
            path=("id",),
        ),
        Jwt(
            secret=Const(value="hard-coded-5"),
            algorithm="HS256",
            headers=Const(value={}),
            claims=Const(value={}),
        ),
    )
    header = Param(
        slot=Slot(place="header", path=("Authorization",)),
        value=Const(value="Bearer hard-coded-6"),
    )
    request = Request(url=Const(value="https://x/a"), params=(header,))
    streams = [Stream(name=f"s{n}", request=request, auth=kind) for n, kind in enumerate(kinds)]
    chosen = Choose(
        by=Const(value="a"), options=(("a", Bearer(token=Const(value="hard-coded-7"))),)
    )
    streams.append(Stream(name="chosen", request=request, auth=chosen))
    engine = FakeEngine(Compiled(source=Source(name="x", base_url=None, streams=tuple(streams))))
    for arguments in (["plan", "d"], ["plan", "d", "--json"]):
        result = call(engine, *arguments)
        assert result.exit_code == 0, result.output
        assert "hard-coded" not in result.output
    assert "client-7" in result.output
