"""Scripts with values that nobody has said, and what their requests and answers tell."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def echo(ask: Ask) -> Any:
    """What was sent, and as what."""
    return {"body": ask.body.decode(), "kind": ask.headers.get("content-type", "none")}


OPTIONAL = """
from typing import Optional

number = dlt.config.get("sources.number", int)
nothing = dlt.config.get("sources.nothing")
section = dlt.secrets["sources"]

@dlt.resource
def asked():
    yield {"n": number + 1, "nothing": str(nothing), "name": section["name"].upper()}
    yield {"n": 1, "nothing": f"<{nothing}>", "name": "none" if nothing is None else "some"}
    yield {"n": 2, "nothing": nothing, "name": nothing or "else"}

@dlt.resource
def given(key: Optional[str] = dlt.secrets.value, size: Optional[int] = dlt.config.value,
          said: Optional[str] = None):
    yield {"key": str(key), "size": str(size), "said": str(said), "truth": bool(key)}

@dlt.source(name="shop")
def source(key: Optional[str] = dlt.secrets.value):
    @dlt.resource
    def enclosed():
        yield {"key": str(key), "text": f"k{key}", "none": key is None}

    return asked, given, enclosed
"""
SECRETS = """
said = "so"
[sources]
number = 4
name = "x"
"""
REQUESTS = """
from dlt.common.data_types.typing import TDataType
from dlt.sources.helpers import requests

@dlt.resource
def rows():
    for body in ("raw", b"bytes", {"a": 1, "b": [1, 2]}):
        answer = requests.post("BASE/x", data=body)
        yield {**answer.json(), "quick": 0 <= answer.elapsed.total_seconds() < 60}
    yield requests.put("BASE/x", data="text", headers={"Content-Type": "text/plain"}).json()
"""

OPTIONALS: dict[str, Written] = {
    "looks for values that nobody has said": Written(
        text=OPTIONAL, api=echo, source="source()", secrets=SECRETS
    ),
    "sends bodies of all kinds": Written(text=REQUESTS, api=echo, source="rows"),
}
