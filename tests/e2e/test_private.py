"""Private addresses are not asked, whoever leads there: the document, a link, a redirect, a name.

The public API is played by a proxy of the environment: it answers for any address, and would for
private ones, if they were asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App

PUBLIC = "http://93.184.216.34"
PRIVATE = [
    "http://169.254.169.254",  # where clouds keep credentials
    "http://10.0.0.7",
    "http://127.0.0.1:8123",
    "http://[::1]",
    "http://[::ffff:169.254.169.254]",
    "http://100.64.0.1",
    "http://2130706433",  # 127.0.0.1 in one number
    "http://localhost",  # a name that leads to a private address
]
DOCUMENT = """
client: { base_url: "BASE" }
resources:
  - name: events
    endpoint:
      path: WHERE
      data_selector: events
      paginator: { type: json_link, next_url_path: next }
"""
MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [events] }
streams:
  - type: DeclarativeStream
    name: events
    retriever:
      type: SimpleRetriever
      requester: { type: HttpRequester, url_base: "BASE", path: /events }
      record_selector:
        type: RecordSelector
        extractor: { type: DpathExtractor, field_path: [events] }
    schema_loader: { type: InlineSchemaLoader, schema: { type: object, properties: {} } }
"""


@pytest.fixture(params=PRIVATE)
def private(request: pytest.FixtureRequest) -> str:
    """An origin that is not public."""
    return str(request.param)


@pytest.fixture
def proxy(private: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """What all requests of this process go through; it leads to the private origin."""

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        del query
        if path == "/moved":
            return 302, f"{private}/events"
        return 200, {"events": [{"id": 1}], "next": f"{private}/events" if path == "/a" else None}

    with serving(answer) as web:
        for name in ("http_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, web.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield web


def called(*arguments: str) -> Result:
    """A command, in this process."""
    return CliRunner().invoke(cli, list(arguments), obj=App())


def written(folder: Path, text: str, base: str, where: str = "/events") -> str:
    """A document that leads to an origin."""
    path = folder / "d.yaml"
    path.write_text(text.replace("BASE", base).replace("WHERE", where), "utf-8")
    return str(path)


def assert_denied(web: Web, said: str) -> None:
    """It is said, and the address was not asked."""
    assert "not a public address" in said
    assert [asked for asked in web.asked if not asked.startswith(PUBLIC)] == []


@pytest.mark.parametrize(("base", "where"), [("", "/events"), (PUBLIC, "/a"), (PUBLIC, "/moved")])
def test_a_run_asks_no_private_address(
    base: str, where: str, proxy: Web, private: str, tmp_path: Path
) -> None:
    """Not where the document says so, nor a next link, nor a redirect, though all are allowed."""
    document = written(tmp_path, DOCUMENT, base or private, where)
    ended = called(
        *("run", document, "--to", str(tmp_path / "t.duckdb"), "--json", "--deny-private"),
        *("--allow-origin", private),
    )
    assert ended.exit_code in {1, 3}, ended.output
    assert_denied(proxy, ended.stdout)
    assert proxy.asked == ([f"{PUBLIC}{where}"] if base else [])


def test_read_asks_no_private_address(proxy: Web, private: str, tmp_path: Path) -> None:
    """The same for records that are only shown."""
    ended = called("read", written(tmp_path, DOCUMENT, private), "events", "--deny-private")
    assert ended.exit_code == 1, ended.output
    assert_denied(proxy, ended.stderr)


@pytest.mark.parametrize("command", ["read", "check"])
def test_the_protocol_asks_no_private_address(
    command: str, proxy: Web, private: str, tmp_path: Path
) -> None:
    """The same for a manifest that a platform runs for somebody else."""
    catalog, config = tmp_path / "catalog.json", tmp_path / "config.json"
    config.write_text("{}", "utf-8")
    stream = {"name": "events", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog.write_text(json.dumps({"streams": [chosen]}), "utf-8")
    manifest = written(tmp_path, MANIFEST, private)
    ended = called(
        *("airbyte", command, "--manifest-path", manifest, "--config", str(config)),
        "--deny-private",
        *(("--catalog", str(catalog)) if command == "read" else ()),
    )
    assert_denied(proxy, ended.stdout)
