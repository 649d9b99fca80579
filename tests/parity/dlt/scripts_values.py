"""Scripts whose values stand in the environment or in files, in every spelling dlt has for them."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def said(ask: Ask) -> Any:
    """One row that tells what it was asked with."""
    return [{"id": 1, "path": ask.path, "by": ask.headers.get("authorization", "")}]


# A text that spells something is that where it is subscripted, and a text where it is got.
SPELLED = """
NAMES = ("whole", "broken", "long", "true", "false", "names", "table", "word", "minus", "said")
subscripted = {name: dlt.config[name] for name in NAMES}
got = {name: dlt.config.get(name) for name in NAMES if name != "table"}
asked = {key: value for key, value in subscripted.items() if key != "table"}

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [
        {"name": "subscripted", "endpoint": {"path": "s", "method": "POST", "params": asked,
                                             "json": {"values": subscripted}}},
        {"name": "got", "endpoint": {"path": "g", "method": "POST", "json": {"values": got}}},
        *({"name": f"of_{name}", "endpoint": {"path": f"names/{name}"}}
          for name in dlt.config["names"]),
        *(["off"] if dlt.config["false"] else ["on"]),
    ]}, name="shop")
"""

DECLARED = """
from typing import Any

of = {
    "whole": dlt.config.get("whole", int), "text": dlt.config.get("whole", str),
    "part": dlt.config.get("broken", float), "no": dlt.config.get("false", bool),
    "names": dlt.config.get("names", list), "table": dlt.config.get("table", dict),
}

@dlt.source(name="shop")
def source(most: Any = 4):
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "users", "endpoint": {"path": "users", "method": "POST",
                                                     "json": {**of, "most": most}}}]})
"""

UNSAID = """
from typing import Optional

since = dlt.config.get("since")
if since is None:
    since = "2024-01-01"
until = dlt.config.get("until")
team = dlt.config.get("team")
chosen = "none" if team is not None else "all"
told = dlt.config.get("told")

@dlt.source(name="shop")
def source(region: Optional[str] = dlt.config.value):
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page",
                   "headers": {"X-Told": told}},
        "resources": [{"name": "users", "endpoint": {
            "path": "users", "method": "POST", "headers": {"X-Region": region, "X-Team": team},
            "params": {"since": since, "until": until, "region": region, "chosen": chosen},
            "json": {"team": team, "same": until == None, "told": told is None}}}]})  # noqa: E711
"""

TABLES = """
login = dlt.secrets["login"]

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page",
               "auth": {"type": "http_basic", **login}},
    "resources": ["users", {"name": "teams", "endpoint": {
        "path": "teams", "auth": {"type": "bearer", "token": dlt.secrets["keys"]["teams"]}}}]},
    name="shop")
"""

TOGETHER = """
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import BaseConfiguration
from dlt.sources.credentials import ConnectionStringCredentials

@configspec
class Desk(BaseConfiguration):
    username: str = None
    teams: str = "none"

store = dlt.secrets.get("store", ConnectionStringCredentials)
desk = dlt.secrets.get("login", Desk)
nothing = dlt.secrets.get("nothing", Desk)

@dlt.resource(name="later")
def later():
    yield {"id": dlt.secrets.get("store", ConnectionStringCredentials).database}

@dlt.source(name="shop")
def source():
    yield later
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "users", "endpoint": {
            "path": f"users/{desk.teams}", "method": "POST",
            "headers": {"Authorization": f"{desk.username}/{store.password}"},
            "json": {"host": store.host, "nothing": nothing is None,
                     "url": store.to_native_representation()}}}]})
"""

SPELLINGS = {
    "WHOLE": "5",
    "BROKEN": "1.5",
    "LONG": "12345678901234567890",
    "TRUE": "true",
    "FALSE": "False",
    "NAMES": '["a", "b"]',
    "TABLE": '{"k": 1}',
    "WORD": "[x",
    "MINUS": "-3",
}

VALUES: dict[str, Written] = {
    "values that spell something": Written(
        text=SPELLED, api=said, source="source", environ={**SPELLINGS, "SAID": "None"}
    ),
    "values that are declared": Written(
        text=DECLARED, api=said, source="source()", environ={**SPELLINGS, "MOST": "6"}
    ),
    "values that nobody has said": Written(
        text=UNSAID, api=said, source="source()", environ={"TOLD": "yes"}
    ),
    "tables of values in variables": Written(
        text=TABLES,
        api=said,
        source="source",
        environ={"LOGIN": '{"username": "u", "password": "p"}', "KEYS": '{"teams": "t1"}'},
    ),
    "tables of values in files": Written(
        text=TABLES,
        api=said,
        source="source",
        secrets="[login]\nusername = 'u'\npassword = '5'\n[keys]\nteams = 't1'\n",
    ),
    "values that are asked for together": Written(
        text=TOGETHER,
        api=said,
        source="source()",
        secrets="[login]\nusername = 'u'\n[store]\ndrivername = 'postgresql'\n"
        "host = 'h.test'\nport = 1\ndatabase = 'd'\nusername = 'u'\npassword = 'p@/'\n",
    ),
    "values that are asked for together, of one text": Written(
        text=TOGETHER,
        api=said,
        source="source()",
        environ={"LOGIN": '{"username": "u"}', "STORE": "postgresql://u:p%40@h.test:1/d"},
    ),
}
