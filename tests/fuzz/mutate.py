"""Changes of documents: a valid one goes in, and one that somebody got wrong comes out.

What is changed, and to what, is decided by a `Chooser`, so that Hypothesis, a fuzzer that follows
coverage and a plain random number all drive the same changes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import yaml

T = TypeVar("T")
Json = Any
Path = tuple[str | int, ...]


class Chooser(Protocol):
    """Where decisions come from."""

    def below(self, count: int) -> int:
        """A whole number from 0 to below `count`."""


def pick(choose: Chooser, items: Sequence[T]) -> T:
    """One of some things."""
    return items[choose.below(len(items))]


TEXTS = (
    *(
        "",
        " ",
        "\n",
        "\0",
        "\ud800",
        "é",
        "\u202e",
        "a.b",
        "a..b",
        ".",
        "/",
        "//",
        "'",
        '"',
        "\\",
        "-",
        "*",
    ),
    *(
        "x" * 5_000,
        "x.y[0].z",
        "$",
        "$.",
        "$[?",
        "$..*",
        "$[0",
        "$.a[?(@.b)]",
        "[",
        "(",
        "**",
        "a|b",
    ),
    *("{", "}", "{}", "{a", "{a.b}", "{0}", "{a!r}", "{a:>99999999}", "{resources.x.id}", "{{}}"),
    *("{incremental.start_value}", "{incremental.last_value}", "{resources.users.id}"),
    *("{{", "{{ }}", "{{ config", "{{ config['x'] }}", "{{ config.a.b.c }}", "{{ 1 / 0 }}"),
    *("{% for", "{% for x in config %}{{ x }}{% endfor %}", "{% if %}", "{{ response.a.b }}"),
    *("{{ ''.__class__ }}", "{{ parameters.x }}", "{{ stream_slice['a'] }}", "{{ record }}"),
    *("{{ 10 ** 99999 }}", "{{ now_utc() }}", "{{ timestamp('x') }}", "{{ 'a' | nothing }}"),
    *("{{ format_datetime(1, '%') }}", "{{ day_delta('x') }}", "{{ max() }}", "{{ response }}"),
    *("{{ next_page_token.next_page_token }}", "{{ headers['link'] }}", "{{ last_record.id }}"),
    *("{{ stream_partition }}", "{{ stream_interval.start_time }}", "{{ components_values.a }}"),
    *("#/", "#/definitions", "#/streams/0", "#/nowhere", "#/definitions/a/b", "#/streams/-1"),
    *("P1D", "PT0S", "P0D", "-P1D", "P1M", "P9999999999D", "PT1S", "P", "P1Y2M3DT4H5M6S", "1 day"),
    *("%Y-%m-%d", "%s", "%ms", "%", "%Q", "%s_as_float", "%Y-%m-%dT%H:%M:%SZ", "%epoch", "iso8601"),
    *("2024-01-01", "2024-13-45", "0001-01-01", "9999-12-31T23:59:59Z", "1e400", "-1", "0", "1.5"),
    *(
        "https://",
        "http://[",
        "file:///etc/passwd",
        "//api.test",
        "https://api.test:99999",
        "ftp://x",
    ),
    *("https://user:pw@api.test/a?b=c#d", "http://\u2603.test", "api.test", "https://api.test/{a}"),
    *(
        'dlt.secrets["s"]',
        "config['c']",
        'dlt.secrets[""]',
        "!!python/name:os.system",
        "&a *a",
        "<<",
    ),
    *(
        "true",
        "null",
        "NaN",
        "append",
        "merge",
        "replace",
        "single_page",
        "auto",
        "offset",
        "cursor",
    ),
    *(
        "get",
        "POST",
        "TRACE",
        "GET /",
        "last",
        "first",
        "resolve",
        "incremental",
        "query",
        "bearer",
    ),
    *("Select 1; drop table x", "../../x", "con", "_penstock_id", "_dlt_id", "__", "id", "data"),
)
NUMBERS = (
    *(0, 1, -1, 2, 3, 9, 100, 429, 500, 65_536, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1),
    *(10**30, 10**400, 0.0, -0.0, 0.5, 1e-300, 1e308, -1e308, float("inf"), float("nan")),
)
OTHERS: tuple[Json, ...] = (
    *(None, True, False, [], {}, [[]], [{}], [None], {"": ""}, {"type": None}, {"$ref": "#/"}),
    *({"$ref": "#/definitions"}, {"$ref": None}, {"$ref": {"$ref": "#/"}}, {"type": "Custom"}),
    *({"$parameters": {"name": "x"}}, {"$parameters": []}, {"type": "object"}, {"type": []}),
    *({"type": "incremental"}, {"type": "resolve"}, {"class_name": "a.b.C"}, ["a", 1], [[["a"]]]),
)


def odd(choose: Chooser) -> Json:
    """A value that few fields expect."""
    kind = choose.below(8)
    if kind < 5:
        return pick(choose, TEXTS)
    if kind == 5:
        return pick(choose, NUMBERS)
    if kind == 6:
        return copy.deepcopy(pick(choose, OTHERS))
    deep: Json = pick(choose, TEXTS)
    for _ in range(pick(choose, (1, 3, 40, 250))):
        deep = [deep] if choose.below(2) else {pick(choose, ("a", "type", "$ref")): deep}
    return deep


def places(value: Json, path: Path = ()) -> Iterator[Path]:
    """Where something stands in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for nth, inner in enumerate(value):
            yield (*path, nth)
            yield from places(inner, (*path, nth))


def at(document: Json, path: Path) -> Json:
    """What stands at a place."""
    for step in path:
        document = document[step]
    return document


# Changes of what is held in one place: the container, the key in it, and where to copy from.


def _drop(_choose: Chooser, held: Json, key: Any, _donor: Json) -> None:
    del held[key]


def _rename(choose: Chooser, held: Json, key: Any, donor: Json) -> None:
    if isinstance(held, list):
        held.reverse()
        return
    other = choose.below(3)
    if other == 0:
        name = str(key)[: choose.below(len(str(key)) + 1)] + "s"
    elif other == 1:
        name = str(pick(choose, [p[-1] for p in places(donor)] or ["x"]))
    else:
        name = pick(choose, TEXTS)
    held[name] = held.pop(key)


def _double(choose: Chooser, held: Json, key: Any, donor: Json) -> None:
    if isinstance(held, list):
        held.append(copy.deepcopy(held[key]))
    else:
        held[str(pick(choose, [p[-1] for p in places(donor)] or ["x"]))] = copy.deepcopy(held[key])


def _retype(choose: Chooser, held: Json, key: Any, _donor: Json) -> None:
    value = held[key]
    ways: tuple[Callable[[], Json], ...] = (
        lambda: [value],
        lambda: {"a": value},
        lambda: str(value),
        lambda: None,
        lambda: value in (None, "", 0),
        lambda: len(str(value)),
        lambda: list(value) if isinstance(value, (dict, str)) else value,
        lambda: dict(enumerate(value)) if isinstance(value, list) else {"type": value},
        lambda: json.dumps(value, default=str),
    )
    held[key] = copy.deepcopy(pick(choose, ways)())
    if isinstance(held[key], dict):
        held[key] = {str(k): v for k, v in held[key].items()}


def _replace(choose: Chooser, held: Json, key: Any, _donor: Json) -> None:
    held[key] = odd(choose)


def _insert(choose: Chooser, held: Json, _key: Any, donor: Json) -> None:
    value = odd(choose)
    if isinstance(held, list):
        held.insert(choose.below(len(held) + 1), value)
    else:
        held[str(pick(choose, [p[-1] for p in places(donor)] or ["x"]))] = value


def _splice(choose: Chooser, held: Json, key: Any, donor: Json) -> None:
    held[key] = copy.deepcopy(at(donor, pick(choose, list(places(donor)))))


def _graft(choose: Chooser, held: Json, key: Any, donor: Json) -> None:
    """What another document has under the same name."""
    alike = [p for p in places(donor) if p[-1] == key]
    held[key] = copy.deepcopy(at(donor, pick(choose, alike))) if alike else odd(choose)


def _spoil(choose: Chooser, held: Json, key: Any, _donor: Json) -> None:
    """A text with something in the middle of it."""
    text = str(held[key])
    cut = choose.below(len(text) + 1)
    way = choose.below(3)
    if way == 0:
        held[key] = text[:cut]
    elif way == 1:
        held[key] = text[:cut] + pick(choose, TEXTS) + text[cut:]
    else:
        held[key] = text[:cut] + text[cut + 1 :]


CHANGES = (
    *(_drop, _rename, _double, _retype, _replace, _replace, _insert, _splice, _graft, _graft),
    *(_spoil, _spoil),
)


def mutated(document: Json, choose: Chooser, donors: Sequence[Json]) -> Json:
    """A copy of a document with one to five changes; parts may come from the donors."""
    made = copy.deepcopy(document)
    for _ in range(pick(choose, (1, 1, 1, 2, 3, 5))):
        found = list(places(made))
        if not found:
            break
        path = pick(choose, found)
        donor = pick(choose, donors) if choose.below(2) else made
        if not list(places(donor)):
            continue
        held = at(made, path[:-1])
        pick(choose, CHANGES)(choose, held, path[-1], donor)
        if choose.below(20) == 0:
            _refer(choose, made)
    return made


def _refer(choose: Chooser, made: Json) -> None:
    """A reference from one place of a document to another, around itself if it so happens."""
    found = list(places(made))
    if not found:
        return
    path, target = pick(choose, found), pick(choose, found)
    text = "#/" + "/".join(map(str, target))
    at(made, path[:-1])[path[-1]] = {"$ref": text} if choose.below(2) else text


# Documents as texts, and what may be wrong with those.

_CALL = "rest_api_source"
SUFFIXES = (".yaml", ".json", ".py", ".md")


def written(document: Json, suffix: str) -> str:
    """A document as the text of a file."""
    match suffix:
        case ".json":
            return json.dumps(document, indent=1)
        case ".py":
            return f"from dlt.sources.rest_api import rest_api_source\n\n{_CALL}({document!r})\n"
        case ".md":
            text = json.dumps(document, indent=1)
            return f"# A page\n\nSome words.\n\n```json\n{text}\n```\n"
        case _:
            return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


_MARKS = (
    *("{", "}", "[", "]", ":", ",", "'", '"', "#", "&a ", "*a", "|\n", ">-\n", "!!", "%", "@", "`"),
    *("\t", "\n", "\r", "\x00", "\x85", "\u2028", "\ufeff", "- ", "? ", "<<: *a", "---\n", "...\n"),
    *(
        "0x1F",
        "1_000",
        "012",
        "2001-01-01",
        "yes",
        "~",
        ".inf",
        "\\u0000",
        "\\",
        "(",
        ")",
        "f'{x}'",
    ),
    *(
        "lambda: 1",
        "**x",
        "[x for x in y]",
        "import os\n",
        "```",
        "# ",
        "    ",
        "{% raw %}",
        "\ud800",
    ),
)


def garbled(text: str, choose: Chooser) -> str:
    """A text that was cut, doubled in parts, or has marks where they do not belong."""
    for _ in range(1 + choose.below(3)):
        start = choose.below(len(text) + 1)
        end = min(len(text), start + pick(choose, (0, 1, 1, 4, 30, 300)))
        match choose.below(5):
            case 0:
                text = text[:start]
            case 1:
                text = text[:start] + text[end:]
            case 2:
                text = text[:end] + text[start:end] + text[end:]
            case 3:
                where = choose.below(len(text) + 1)
                text = text[:where] + text[start:end] + text[where:]
            case _:
                text = text[:start] + pick(choose, _MARKS) + text[end:]
    return text
