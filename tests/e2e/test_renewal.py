"""Refresh tokens that are good for one use: their successors are kept before they are needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from tests.support.manifests import catalog
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App

RUN = ("run", "shop.yaml", "--config", "config.json", "--to", "x.duckdb")
Call = Callable[..., Result]


class Shop:
    """An API whose token endpoint takes each refresh token once."""

    def __init__(self) -> None:
        self.good = "refresh-0"
        self.asked: list[str] = []
        self.closed = False
        self.lifetime = 3600

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        """What the API gives."""
        if path != "/token":
            rows = [{"name": "a"}, {"name": "b"}]
            return (403, {}) if self.closed else (200, rows)
        self.asked.append(query["refresh_token"])
        if query["refresh_token"] != self.good:
            return 400, {"error": "invalid_grant"}
        number = len(self.asked)
        self.good = f"refresh-{number}"
        token = {"access_token": f"access-{number}", "refresh_token": self.good}
        return 200, {**token, "expires_in": self.lifetime}


@pytest.fixture
def shop() -> Shop:
    """What is behind the API."""
    return Shop()


@pytest.fixture
def web(shop: Shop):
    """The API."""
    with serving(shop.answer) as running:
        yield running


def _write(base: str, refresh: str = "refresh-0", **more: Any) -> None:
    Path("shop.yaml").write_text(json.dumps(_manifest(base, **more)))
    values = {"credentials": {"refresh_token": refresh, "client_id": "a", "client_secret": "b"}}
    Path("config.json").write_text(json.dumps(values))


def _manifest(base: str, **more: Any) -> dict[str, Any]:
    auth = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": f"{base}/token",
        "refresh_token_updater": {},
    }
    return {"version": "7.0.0", "streams": [_stream(base, "items", auth)], **more,
            "check": {"type": "CheckStream", "stream_names": ["items"]}}  # fmt: skip


def _stream(base: str, name: str, auth: Any) -> dict[str, Any]:
    return {
        "type": "DeclarativeStream",
        "name": name,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {
                "type": "HttpRequester",
                "url_base": base,
                "path": f"/{name}",
                "authenticator": auth,
            },
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": []},
            },
        },
    }


@pytest.fixture
def call(tmp_path, monkeypatch, web: Web) -> Call:
    """Calls the command line in a folder with a manifest and its values."""
    monkeypatch.chdir(tmp_path)
    _write(web.url)

    def _call(*words: str) -> Result:
        done = CliRunner().invoke(cli, list(words), obj=App(), standalone_mode=False)
        said = done.stderr if words[0] == "airbyte" else done.output
        assert "refresh-" not in said
        assert "access-" not in said
        return done

    return _call


def test_a_run_goes_on_from_the_token_of_the_last(call: Call, shop: Shop):
    """Each run uses the token that the one before was given, once the access token is over."""
    shop.lifetime = 0
    for _ in range(3):
        assert call(*RUN).return_value == 0
    assert shop.asked == ["refresh-0", "refresh-1", "refresh-2"]


def test_the_token_is_kept_before_anything_is_asked_with_it(call: Call, shop: Shop):
    """A run that fails at its first request has not lost the token."""
    shop.closed, shop.lifetime = True, 0
    assert call(*RUN).return_value == 1
    shop.closed = False
    assert call(*RUN).return_value == 0
    assert shop.asked == ["refresh-0", "refresh-1"]


def test_a_token_that_the_user_gives_anew_is_used(call: Call, shop: Shop, web: Web):
    """What is kept stands for the user's own token, and not for another one."""
    assert call(*RUN).return_value == 0
    shop.good = "refresh-mine"
    _write(web.url, "refresh-mine")
    assert call(*RUN).return_value == 0
    assert shop.asked == ["refresh-0", "refresh-mine"]


def test_what_is_kept_is_not_shown_as_state(call: Call):
    """The state that people look at has no part of it."""
    assert call(*RUN).return_value == 0
    shown = call("state", "show", "shop.yaml", "--to", "x.duckdb")
    assert "_penstock_values" not in shown.output
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        query = "select count(*) from shop._penstock_state where stream = '_penstock_values'"
        assert connection.sql(query).fetchall() == [(1,)]


def test_streams_that_the_api_names_are_asked_for_with_a_token_that_is_kept(
    call: Call, shop: Shop, web: Web
):
    """What is read before the run keeps its token too, and the run goes on with it."""
    auth = _manifest(web.url)["streams"][0]["retriever"]["requester"]["authenticator"]
    found = {
        "type": "DynamicDeclarativeStream",
        "stream_template": _stream(web.url, "template", auth),
        "components_resolver": {
            "type": "HttpComponentsResolver",
            "retriever": _stream(web.url, "names", auth)["retriever"],
            "components_mapping": [
                {
                    "type": "ComponentMappingDefinition",
                    "field_path": ["name"],
                    "value": "{{ components_values['name'] }}",
                }
            ],
        },
    }
    _write(web.url, dynamic_streams=[found])
    assert call(*RUN).return_value == 0
    assert call(*RUN).return_value == 0
    assert "refresh-0" in shop.asked
    assert len(set(shop.asked)) == len(shop.asked)


def test_a_read_writes_the_token_into_the_file_it_came_from(call: Call, shop: Shop):
    """A command that keeps no rows keeps the token where the user has it."""
    assert call("read", "shop.yaml", "items", "--config", "config.json").return_value == 0
    held = json.loads(Path("config.json").read_text())["credentials"]
    assert held["refresh_token"] == "refresh-1"
    assert held["access_token"] == "access-1"
    assert held["client_id"] == "a"
    assert call("read", "shop.yaml", "items", "--config", "config.json").return_value == 0
    assert shop.asked == ["refresh-0"]  # the access token is still good


def test_a_read_says_so_where_nothing_keeps_the_token(call: Call):
    """Without a file the new token is lost, and that is told."""
    given = json.dumps(json.loads(Path("config.json").read_text())["credentials"])
    done = call("read", "shop.yaml", "items", "--set", f"credentials:={given}")
    assert done.return_value == 0
    assert "nothing keeps the new ones" in done.stderr


def test_a_platform_is_told_before_the_first_record(call: Call, shop: Shop):
    """The configuration to go on with is a message, and the next call goes on from it."""
    Path("catalog.json").write_text(json.dumps(catalog("items")))
    words = ("--manifest-path", "shop.yaml", "--config", "config.json")
    done = call("airbyte", "read", *words, "--catalog", "catalog.json")
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [m["type"] for m in messages]
    assert kinds.index("CONTROL") < kinds.index("RECORD")
    told = messages[kinds.index("CONTROL")]["control"]
    assert told["type"] == "CONNECTOR_CONFIG"
    assert told["connectorConfig"]["config"]["credentials"]["refresh_token"] == "refresh-1"
    Path("config.json").write_text(json.dumps(told["connectorConfig"]["config"]))
    checked = call("airbyte", "check", *words)
    assert '"SUCCEEDED"' in checked.stdout
    assert shop.asked == ["refresh-0"]
