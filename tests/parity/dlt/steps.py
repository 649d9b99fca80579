"""Functions that configurations name: both engines call the same ones.

The process that runs dlt imports this file by itself, so it imports nothing but what dlt takes.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from pydantic import BaseModel, ConfigDict


def is_even(record: dict[str, Any]) -> bool:
    """Keep every other record."""
    return record["id"] % 2 == 0


def is_tenth(record: dict[str, Any]) -> bool:
    """Keep one record."""
    return record["id"] == 10


def times_ten(record: dict[str, Any]) -> dict[str, Any]:
    """Another id."""
    return {**record, "id": record["id"] * 10}


def shout(record: dict[str, Any]) -> dict[str, Any]:
    """Another title, and no author."""
    return {"id": record["id"], "loud": record["title"].upper() + "!"}


def twice(record: dict[str, Any]) -> Any:
    """Two records from one."""
    for nth in (1, 2):
        yield {"id": record["id"], "nth": nth}


def by_parity(record: dict[str, Any]) -> str:
    """The table of a record."""
    return "even" if record["id"] % 2 == 0 else "odd"


def by_kind(record):
    """The table of a record, by its kind."""
    return f"things_{record['kind']}"


class Owner(BaseModel):
    """An object in a record."""

    n: int


class Plain(BaseModel):
    """The columns of a thing, some of which may be null."""

    id: int
    name: str | None
    tags: list[str]
    owner: Owner
    price: float


class Loose(Plain):
    """The same, where other keys are left out."""

    model_config = ConfigDict(extra="ignore")


class Strict(Plain):
    """The same, where other keys are an error."""

    model_config = ConfigDict(extra="forbid")


class Open(Plain):
    """The same, where other keys are welcome."""

    model_config = ConfigDict(extra="allow")


def _sum(record: dict[str, Any]) -> int:
    return zlib.crc32(str(record.get("id")).encode())


def some(record: dict[str, Any]) -> bool:
    """Keep two records of three, whatever their ids are."""
    return _sum(record) % 3 > 0


def marked(record: dict[str, Any]) -> dict[str, Any]:
    """One more field, and another value for one that every record has."""
    return {**record, "mark": [_sum(record) % 10], "group": record["group"] + 10}


def lowered(record: dict[str, Any]) -> dict[str, Any]:
    """The same record, changed where it is, with its fields from the last to the first."""
    record["lowered"] = str(record["id"]).lower()
    return dict(reversed(record.items()))


def doubled(record: dict[str, Any]) -> Any:
    """Two records from one, with ids of their own."""
    for nth in (1, 2):
        yield {**record, "id": f"{record['id']}-{nth}"}


def said_so(value: Any) -> str:
    """A value for a request."""
    return f"<{value}>"


def lifted(response: Any, *_: Any, **__: Any) -> None:
    """Change an answer before it is read: one more field beside the records."""
    body = json.loads(response.content)
    if isinstance(body, dict):
        response._content = json.dumps({"lifted": 1, **body}).encode()


def seen_all(record: dict[str, Any]) -> dict[str, Any]:
    """The names of a record's fields beside them: what a step sees."""
    return {**record, "seen": ",".join(sorted(record))}


def with_parent(record: dict[str, Any]) -> dict[str, Any]:
    """A record with a field made of its parent's."""
    return {**record, "of": f"{record['_posts_title']}/{record['id']}"}


def is_first(record: dict[str, Any]) -> bool:
    """Keep one record."""
    return record["id"] == 1


def with_more(record: dict[str, Any]) -> dict[str, Any]:
    """A record with a null and lists besides."""
    return {**record, "nothing": None, "tags": ["x", {"y": record["id"]}]}


def as_many(record: dict[str, Any]) -> Any:
    """None, one or two records from one."""
    for nth in range(_sum(record) % 3):
        yield {**record, "id": f"{record['id']}/{nth}"}


def renamed(record: dict[str, Any]) -> dict[str, Any]:
    """A record with its last field under another name, and without its nulls."""
    *held, (_, last) = record.items()
    return {**{k: v for k, v in held if v is not None}, "the last": last}


def by_group(record: dict[str, Any]) -> str:
    """The table of a record, by its group."""
    return f"group {record['group'] % 2}"


def latest(values: Any) -> Any:
    """What is newest, by a function of one's own."""
    return max(values)


def looked_at(response: Any, *_: Any, **__: Any) -> None:
    """Look at an answer, and change nothing."""
    assert response.status_code


def by_id(record: dict[str, Any]) -> str:
    """The table of a record, by its id."""
    return f"thing_{record['id']}"
