"""A canary for each kind of secret, through every way in which a command says or keeps something.

The API says the secret back in each spelling, in an error, a header and a page that cannot be read.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from click.testing import CliRunner, Result
from tests.e2e.loads import query as stored
from tests.faults.processes import Shell
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App

LONG, ODD, NUMBER, FEW = "c4nary-9f31b7-zz", 'cänary/+ "s3cret=&42', "90210777123", "5"
RUN = """
name: canary
inputs: { key: { secret: true } }
client:
  base_url: https://api.example.com
  auth: { type: api_key, name: sig, location: query, api_key: 'dlt.secrets["key"]' }
  retry: { max_retries: 1 }
resources:
  - name: events
    endpoint:
      path: /events
      data_selector: events
      paginator: { type: cursor, cursor_path: next_cursor, cursor_param: cursor }
  - name: refused
    endpoint: { path: /refused, data_selector: events, paginator: single_page }
  - name: whole
    endpoint: { path: /whole, data_selector: events, paginator: single_page }
  - name: cut
    endpoint: { path: /cut, data_selector: events, paginator: single_page }
"""
HEADER = RUN.replace("type: api_key, name: sig, location: query, api_key", "type: bearer, token")
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [refused] }
streams:
  - type: DeclarativeStream
    name: refused
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: URL
        path: /refused
        request_headers: { X-Odd: "{{ config['key'] }}" }
        request_parameters: { sig: "{{ config['key'] }}" }
      record_selector:
        type: RecordSelector
        extractor: { type: DpathExtractor, field_path: [events] }
    schema_loader: { type: InlineSchemaLoader, schema: { type: object, properties: {} } }
spec:
  type: Spec
  connection_specification:
    type: object
    properties: { key: { type: string, airbyte_secret: true } }
"""


def spellings(secret: str) -> dict[str, str]:
    """The secret as texts carry it, by the name of the way."""
    packed = base64.b64encode(f"user:{secret}".encode()).decode()
    return {
        "plain": secret,
        "url": quote(secret, safe=""),
        "form": quote_plus(secret),
        "json": json.dumps(secret)[1:-1],
        "utf8": json.dumps(secret, ensure_ascii=False)[1:-1],
        "repr": repr(secret)[1:-1],
        "base64": base64.b64encode(secret.encode()).decode().rstrip("="),
        "basic": packed[7:].rstrip("="),
    }


def echo(secret: str) -> dict[str, str]:
    """An error that says the secret back in every way."""
    told = spellings(secret)
    basic = base64.b64encode(f"user:{secret}".encode()).decode()
    return {
        "error": f"the key '{secret}' is refused",
        "request": f"https://api.example.com/refused?sig={told['url']}&page=2",
        "headers": f"Authorization: Basic {basic}, X-Key: {secret}",
        "again": told["base64"],
    }


@pytest.fixture(params=[LONG, ODD, NUMBER], ids=["long", "odd", "number"])
def secret(request: pytest.FixtureRequest) -> str:
    """The canary."""
    return str(request.param)


@pytest.fixture
def web(secret: str) -> Iterator[Web]:
    """An API whose third page is no JSON, and one endpoint of which refuses."""

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/refused":
            return 403, echo(secret)
        if path == "/cut":  # what is cited of it ends inside the secret
            return 403, secret.encode().rjust(300 + 2, b"x") + b"xxx"
        if query.get("cursor") == "c2":
            return 200, b"<html>" + json.dumps(echo(secret), ensure_ascii=False).encode()
        number = int(query.get("cursor", "c0")[1:])
        return 200, {"events": [{"id": number}], "next_cursor": f"c{number + 1}"}

    with serving(answer) as started:
        yield started


def called(*arguments: str) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(cli, list(arguments), obj=App())


def assert_silent(secret: str, *texts: str) -> None:
    """No text has it, however it is spelled."""
    for name, spelled in spellings(secret).items():
        for text in texts:
            at = text.find(spelled)
            assert at < 0, f"{name}: {text[max(0, at - 60) : at + 60]}"


def files(folder: Path) -> Iterator[str]:
    """What every file below a folder holds."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes().decode("utf-8", "replace")


@pytest.mark.parametrize("document", [RUN, HEADER], ids=["query", "header"])
def test_a_run_says_and_keeps_no_secret(
    document: str, secret: str, web: Web, tmp_path: Path
) -> None:
    """Words, JSON, traces, receipts, state, the pages that are kept: none has it."""
    text, kept = tmp_path / "canary.yaml", tmp_path / "kept"
    text.write_text(document, "utf-8")
    kept.mkdir()
    ended = called(
        *("run", str(text), "--to", str(kept / "t.duckdb"), "--db-schema", "kept", "--set"),
        *(f"key={secret}", "--base-url", web.url, "--json", "--debug"),
        *("--keep-pages", str(kept / "pages"), "--keep-bad-pages", str(kept / "bad")),
    )
    assert ended.exit_code in {1, 3}, ended.output
    said = json.loads(ended.stdout)
    codes = {f["code"] for s in said["streams"] for f in s["failures"]}
    assert codes == {"undecodable", "auth-refused"}
    assert list((kept / "bad").iterdir())
    assert list((kept / "pages").rglob("*.*"))
    tables = [
        str(stored(kept / "t.duckdb", f"SELECT * FROM _penstock_{n}"))
        for n in ("receipts", "state", "loads", "fence", "columns")
    ]
    assert_silent(secret, ended.stdout, ended.stderr, *tables, *files(kept))
    assert "***" in ended.stdout
    assert "***" in ended.stderr
    (cut,) = next(s["failures"] for s in said["streams"] if s["name"] == "cut")
    assert cut["message"].endswith("x***…"), "the beginning of what is cut is masked too"


@pytest.mark.parametrize("command", ["read", "check"])
def test_protocol_messages_have_no_secret(
    command: str, secret: str, web: Web, tmp_path: Path
) -> None:
    """Each line is a message still, and no text in one has it."""
    manifest, config = tmp_path / "manifest.yaml", tmp_path / "config.json"
    catalog = tmp_path / "catalog.json"
    manifest.write_text(MANIFEST.replace("URL", web.url), "utf-8")
    config.write_text(json.dumps({"key": secret}), "utf-8")
    stream = {"name": "refused", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog.write_text(json.dumps({"streams": [chosen]}), "utf-8")
    more = ("--catalog", str(catalog)) if command == "read" else ()
    ended = called(
        *("airbyte", command, "--manifest-path", str(manifest), "--config", str(config)),
        *more,
        "--debug",
    )
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {m["type"] for m in messages} <= {"LOG", "TRACE", "STATE", "CONNECTION_STATUS"}
    assert_silent(secret, ended.stdout, ended.stderr)
    assert "***" in ended.stdout


BUSY = """        path: /refused
        error_handler:
          type: DefaultErrorHandler
          max_retries: 2
          backoff_strategies:
            - { type: ConstantBackoffStrategy, backoff_time_in_seconds: 0.3 }
          response_filters:
            - { http_codes: [503], action: RETRY, error_message: "{{ response.error }}" }
"""


@pytest.mark.parametrize("secret", [ODD], indirect=True)
def test_the_live_table_shows_no_secret(secret: str, tmp_path: Path) -> None:
    """What a terminal is redrawn with while a run waits, and what is said then, has none."""

    def answer(_path: str, _query: dict[str, str]) -> tuple[int, Any]:
        return 503, echo(secret)

    manifest = tmp_path / "manifest.yaml"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
    shown: list[bytes] = []
    reading = threading.Thread(target=drained, args=(ours, shown))
    reading.start()
    shell = Shell()
    with serving(answer) as web:
        text = MANIFEST.replace("URL", web.url).replace("        path: /refused\n", BUSY)
        manifest.write_text(text, "utf-8")
        to = ("--to", str(tmp_path / "t.duckdb"), "--set", f"key={secret}")
        environ = {"TERM": "xterm", "NO_COLOR": "", "COLUMNS": "200", "LINES": "40"}
        told = ("run", str(manifest), *to)
        ended = shell(tmp_path, *told, environ=environ, err=os.ttyname(theirs))
    shell.close()
    os.close(theirs)
    reading.join()
    os.close(ours)
    assert ended.code == 1
    seen = b"".join(shown).decode()
    assert "\x1b[2K" in seen, "the table is redrawn"
    assert "503: the key '***' is refused" in seen, "a wait is shown with its reason"
    assert_silent(secret, seen)


def drained(terminal: int, into: list[bytes]) -> None:
    """Read what is shown until nobody shows anything any more."""
    with suppress(OSError):  # that is how the other end is closed
        while piece := os.read(terminal, 65536):
            into.append(piece)


def test_a_marked_line_shows_no_secret(secret: str, tmp_path: Path) -> None:
    """A key that stands in the document is stars where its line is shown, marks below it fit."""
    text = tmp_path / "d.yaml"
    written = json.dumps(secret, ensure_ascii=False)
    line = f"  auth: {{ type: bearer, token: {written}, tokn: 1 }}"
    text.write_text(RUN.replace(RUN.splitlines()[5], line), "utf-8")
    for more in ((), ("--json",)):
        ended = called("check", str(text), *more)
        assert ended.exit_code in {0, 2}
        assert "tokn" in ended.output
        assert_silent(secret, ended.stdout, ended.stderr)


def test_a_secret_of_one_digit_leaves_numbers_alone(tmp_path: Path) -> None:
    """Lines, rows and times stay what they are; where texts from outside are cited it is masked."""

    def answer(path: str, _query: dict[str, str]) -> tuple[int, Any]:
        if path == "/refused":
            return 403, {"error": "the key '5' is refused", "code": "5", "line": 5}
        return 200, {"events": [{"id": n} for n in range(5)]}

    text = tmp_path / "canary.yaml"
    text.write_text(RUN, "utf-8")
    to = ("--to", str(tmp_path / "t.duckdb"), "--set", f"key={FEW}")
    with serving(answer) as web:
        ended = called("run", str(text), *to, "--base-url", web.url, "--json")
    streams = {s["name"]: s for s in json.loads(ended.stdout)["streams"]}
    assert streams["events"]["rows"] == 5
    assert "events: done, 5 rows" in ended.stderr
    (failure,) = streams["refused"]["failures"]
    assert failure["request"].endswith("/refused")
    for said in (ended.stdout, ended.stderr):
        assert "the key '***' is refused" in said
        assert "sig=5" not in said
        assert "'5'" not in said
