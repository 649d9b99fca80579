"""How scripts are called: with arguments, in one process with a run; and what receipts tell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.scripts_accounts import accounts
from tests.parity.dlt.scripts_signed import guarded
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_answers import HEAD, ours, theirs
from tests.parity.dlt.test_scripts import loaded, script

PARSED = """
import argparse, sys

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("account")
    parser.add_argument("--disposition", default="append", choices=["append", "replace"])
    parser.add_argument("--dry-run", action="store_true")
    args = parser.parse_args()
    if not args.dry_run:
        pipeline.run(source(args.account), write_disposition=args.disposition)
    with pipeline.sql_client() as client:
        keep(rows=sorted(client.execute_sql("SELECT id FROM users")), called=len(sys.argv))

if __name__ == "__main__":
    main()
"""
CLICKED = """
import click

@click.command()
@click.argument("account")
@click.option("--disposition", type=click.Choice(["append", "replace"]), required=True)
def main(account, disposition):
    pipeline.run(source(account), write_disposition=disposition)
    with pipeline.sql_client() as client:
        keep(rows=sorted(client.execute_sql("SELECT id FROM users")))

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("script", [PARSED, CLICKED])
def test_a_script_is_given_its_arguments(
    script: str,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """What stands behind `--` is its command line, as behind its name where Python runs it."""
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path)
    for given in (["a", "--disposition", "append"], ["b", "--disposition", "replace"]):
        their = theirs(script, oracle, stages[0], tmp_path / "theirs", *given)
        assert ours(script, stages[1], "--", *given) == (0, their)


@pytest.mark.parametrize("script", [PARSED, CLICKED])
def test_a_script_without_its_arguments_is_told_where_they_stand(
    script: str,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """It ends for want of them, in dlt as well; the message says how to give them."""
    monkeypatch.chdir(tmp_path)
    assert ours(script, stages[1]) == (2, None)
    told = capsys.readouterr().err
    assert "the script ended with exit code 2" in told
    assert "its own arguments stand behind --: penstock run pipeline.py -- ARGUMENT..." in told
    assert "account" in told.lower()  # what the script says itself
    assert not stages[1].heard


JOINED = """
pipeline.run(rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [
        {"name": "first", "table_name": "users", "endpoint": "a/users"},
        {"name": "second", "table_name": "users", "endpoint": "b/users"},
    ],
}))
"""


def test_a_receipt_counts_what_joined_resources_ask(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Several resources of one table have a receipt each, with what they ask and bring."""
    monkeypatch.chdir(tmp_path)
    ours(JOINED, stages[1], "--json")
    told = json.loads(capsys.readouterr().out)["streams"]
    assert [(one["name"], one["table"], one["rows"], one["requests"]) for one in told] == [
        ("first", "users", 3, 1),
        ("second", "users", 3, 1),
    ]
    assert len(stages[1].heard) == 2


def test_a_receipt_tells_what_joined_resources_lack(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """A record path that is in no answer of one of them is a warning of that one."""
    monkeypatch.chdir(tmp_path)
    wrong = JOINED.replace('"b/users"', '{"path": "b/users", "data_selector": "nothing"}')
    ours(wrong, stages[1], "--json")
    first, second = json.loads(capsys.readouterr().out)["streams"]
    assert first["warnings"] == []
    assert [warning["code"] for warning in second["warnings"]] == ["record-path-empty"]
    assert "the record path 'nothing' is in none of the answers" in str(second["warnings"])


ASKS_FIRST = """
from dlt.sources.helpers.rest_client import RESTClient
names = [row["account"] for row in RESTClient("BASE/").get("a/users").json()]
pipeline.run(source(names[0]))
"""
BOTH_HERE = """
from penstock.engine import Options, compile_source, execute
source = compile_source("pipeline.py").need()
result = execute(source, {}, "shop.duckdb", Options(db_schema="shop"), lambda _event: None)
assert result.status == "done", result
"""


def test_a_script_asks_and_is_run_in_one_process(stages: tuple[Stage, Stage], tmp_path: Path):
    """The thread in which it asked has ended by then, and the client goes on all the same."""
    stages[1].play(accounts, 1)
    script = (HEAD + ASKS_FIRST).replace("BASE", stages[1].base)
    (tmp_path / "pipeline.py").write_text(script, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", BOTH_HERE], cwd=tmp_path, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [heard.ask.path for heard in stages[1].heard] == ["/a/users", "/a/users"]


SHARED = """
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials

auth = OAuth2ClientCredentials(access_token_url="BASE/token", client_id="i", client_secret="s")

@dlt.resource(write_disposition="replace")
def others():
    yield requests.get("BASE/others", auth=auth).json()

@dlt.source(name="shop")
def shop():
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "auth": auth, "paginator": "single_page"},
        "resources": [{"name": name, "write_disposition": "replace"} for name in ("a", "b")],
    })
    yield others
"""
SHARES = "an auth object that a configuration and a function of the script share"


def test_an_object_that_is_shared_asks_for_a_token_more(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A row of docs/parity.md: dlt signs with one object, and Penstock in two places."""
    page = Path(__file__).parents[3] / "docs" / "parity.md"
    assert f"| {SHARES} |" in page.read_text("utf-8")
    written = Written(text=SHARED, api=guarded, source="shop()")
    paths = [tmp_path / name / "pipeline.py" for name in ("theirs", "ours")]
    for path, stage in zip(paths, stages, strict=True):
        path.parent.mkdir()
        path.write_text(script(written, stage.base), "utf-8")
        stage.play(guarded, 1)
    assert not oracle.execute(paths[0])["error"]
    monkeypatch.chdir(paths[1].parent)
    tables, error = loaded(paths[1], paths[1].parent)
    assert not error
    assert {"a", "b", "others"} <= set(tables)
    asked = [[heard.ask.path for heard in stage.heard].count("/token") for stage in stages]
    assert asked == [1, 2]
