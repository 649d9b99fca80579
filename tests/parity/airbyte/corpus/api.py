"""An API that fits a stream nobody wrote one for: what answers for each of its endpoints.

All that is to be known is gathered once, as plain data. An answer then depends on nothing but the
request, so that both engines are told the same, in whatever order they ask.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.parity.airbyte.corpus.bodies import encoded
from tests.parity.airbyte.corpus.pages import URL, pager, token_index
from tests.parity.airbyte.corpus.reading import settled, walk
from tests.parity.airbyte.corpus.records import fields, put, record
from tests.parity.airbyte.corpus.values import NOW
from tests.parity.airbyte.harness import Api, Asked, Reply

from penstock.plan.datetimes import format_datetime

_RETRIEVERS = {"SimpleRetriever", "AsyncRetriever", "CustomRetriever"}
_GLOB = set("*?[")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
AGAIN = 40  # how often one request may come before its page is the last: parents are read anew


def described(stream: dict[str, Any], values: dict[str, Any], turn: int) -> dict[str, Any]:
    """All that answering for a stream takes: its endpoints, and where tokens are got."""
    found: list[dict[str, Any]] = []
    for own, wanted, depth in _streams(stream):
        kinds = fields(own, wanted, values)
        found += [
            _endpoint(part, own, kinds, values, parent=depth > 0, turn=turn)
            for part in walk(own)
            if part.get("type") in _RETRIEVERS or {"requester", "record_selector"} <= set(part)
        ]
    return {"endpoints": found, "tokens": _tokens(stream, values), "jobs": _jobs(stream, values)}


def _streams(stream: dict[str, Any], depth: int = 0, wanted: Any = ()) -> Any:
    """A stream and its parents: each without its own parents, with what children want of it."""
    parents: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            if isinstance(value.get("stream"), dict) and "parent_key" in value:
                parents.append((value["stream"], value))
                return {k: v for k, v in value.items() if k != "stream"}
            return {k: cut(v) for k, v in value.items()}
        return [cut(v) for v in value] if isinstance(value, list) else value

    yield cut(stream), list(wanted), depth
    for parent, config in parents:
        yield from _streams(parent, depth + 1, [{k: v for k, v in config.items() if k != "stream"}])


def _endpoint(
    retriever: dict[str, Any],
    own: dict[str, Any],
    kinds: list[dict[str, Any]],
    values: dict[str, Any],
    *,
    parent: bool,
    turn: int,
) -> dict[str, Any]:
    requester = retriever.get("requester") or retriever.get("download_requester") or {}
    selector = retriever.get("record_selector") or {}
    extractor = selector.get("extractor") or {}
    path = [str(p) for p in extractor.get("field_path") or ()]
    return {
        "method": str(requester.get("http_method") or "GET").upper(),
        "url": _pattern(requester, values),
        "told": _static(requester),
        "at": path,
        "single": False,
        "pager": pager(retriever, values, parent=parent, turn=turn),
        "decoder": retriever.get("decoder") or {},
        "fields": kinds,
        "root": own.get("name"),
    }


def _pattern(requester: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    """A pattern of the paths that a requester asks for, and how much of it is literal."""
    base = str(requester.get("url_base") or requester.get("url") or "")
    path = str(requester.get("path") or "")
    whole = path if path.startswith("http") else f"{base.rstrip('/')}/{path.lstrip('/')}"
    literal = _TEMPLATE.sub(lambda found: _put_in(found[0], values), whole)
    literal = re.sub(r"\s*\0[\s\0]*", "\0", literal)
    literal = re.sub(r"^https?://[^/]*", "", literal).split("?")[0].rstrip("/")
    if literal.startswith("\0") and not whole.startswith("http"):
        literal = "\0" + literal.lstrip("\0")
    pattern = ".*".join(re.escape(p) for p in literal.split("\0"))
    return [pattern + "/?", len(literal)]


def _put_in(template: str, values: dict[str, Any]) -> str:
    """What stands in a URL for a template: its text, if the configuration alone decides it."""
    found = settled(template, values) if "config" in template else None
    return str(found) if isinstance(found, (str, int)) and found != "" else "\0"


def _static(requester: dict[str, Any]) -> list[list[str]]:
    """The parameters that every request of a requester has."""
    held = requester.get("request_parameters")
    if not isinstance(held, dict):
        return []
    return [
        [str(k), str(v)] for k, v in held.items() if isinstance(v, (str, int)) and "{" not in str(v)
    ]


def _tokens(stream: dict[str, Any], values: dict[str, Any]) -> list[list[Any]]:
    """Where tokens are got, and the bodies that hold them."""
    found: list[list[Any]] = []
    for part in walk(stream):
        if part.get("type") == "OAuthAuthenticator" and part.get("token_refresh_endpoint"):
            body: dict[str, Any] = {}
            put(body, (str(part.get("access_token_name") or "access_token"),), "acc-1")
            put(body, (str(part.get("expires_in_name") or "expires_in"),), _expiry(part))
            put(body, ("refresh_token",), "ref-2")
            found.append([_pattern({"url": part["token_refresh_endpoint"]}, values), body])
        if part.get("type") == "SessionTokenAuthenticator":
            body = {}
            put(body, tuple(map(str, part.get("session_token_path") or ("token",))), "ses-1")
            found.append([_pattern(part.get("login_requester") or {}, values), body])
        if part.get("type") == "LegacySessionTokenAuthenticator":
            body = {str(part.get("session_token_response_key")): "ses-1"}
            found.append([_pattern({"url": part.get("login_url") or ""}, values), body])
    return found


def _expiry(part: dict[str, Any]) -> Any:
    """When a token ends, as its authenticator reads it."""
    spelled = part.get("token_expiry_date_format")
    if spelled and "%" not in spelled:
        spelled = "%Y-%m-%dT%H:%M:%SZ"
    return format_datetime(NOW + timedelta(days=1000), spelled) if spelled else 3600


def _jobs(stream: dict[str, Any], values: dict[str, Any]) -> list[dict[str, Any]]:
    """What the jobs of a stream answer at each of their steps."""
    found = []
    for part in walk(stream):
        if part.get("type") != "AsyncRetriever":
            continue
        status: dict[str, Any] = {"id": "job1", "report_id": "job1", "reportId": "job1"}
        path = tuple(map(str, (part.get("status_extractor") or {}).get("field_path") or ()))
        done = (part.get("status_mapping") or {}).get("completed") or ["completed"]
        put(status, path, done[0])
        target = tuple(
            map(str, (part.get("download_target_extractor") or {}).get("field_path") or ())
        )
        if target and not _GLOB & set("".join(target)):
            put(status, target, "https://download.test/file1")
        found.append(
            {
                "create": _pattern(part.get("creation_requester") or {}, values),
                "poll": _pattern(part.get("polling_requester") or {}, values),
                "body": status,
            }
        )
    return found


def answering(
    shape: dict[str, Any], now: datetime, faults: dict[str, Any] | None = None
) -> Callable[[], Api]:
    """An API of a shape, as it is at some time."""
    endpoints = [(re.compile(e["url"][0]), e) for e in shape["endpoints"]]
    tokens = [(re.compile(pattern), body) for (pattern, _), body in shape["tokens"]]
    jobs = [(re.compile(j[k][0]), j["body"]) for j in shape["jobs"] for k in ("create", "poll")]

    def answer(asked: Asked) -> Reply:
        path = asked.path.rstrip("/")
        for pattern, body in tokens:
            if pattern.fullmatch(path):
                return Reply(body=body)
        if faults and (fault := faulty(asked, faults)):
            return fault
        for pattern, body in jobs:
            if pattern.fullmatch(path) and not path.startswith("/file1"):
                return Reply(body=body)
        return page(asked, fitting(asked, endpoints), now)

    return lambda: answer


def fitting(
    asked: Asked, endpoints: list[tuple[re.Pattern[str], dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The endpoints that a request may be meant for: of those that fit best, all."""
    path = asked.path.rstrip("/")
    found = [e for pattern, e in endpoints if pattern.fullmatch(path)]
    found = [e for e in found if e["method"] == asked.method] or found or [e for _, e in endpoints]
    best = max((_fit(e, asked) for e in found), default=(0, 0))
    return [e for e in found if _fit(e, asked) == best]


def _fit(endpoint: dict[str, Any], asked: Asked) -> tuple[int, int]:
    held = dict(asked.query)
    told = endpoint["told"]
    missing = sum(held.get(name) != value for name, value in told)
    return endpoint["url"][1], len(told) - 2 * missing


def page(asked: Asked, endpoints: list[dict[str, Any]], now: datetime) -> Reply:
    """The page that a request asks for."""
    body: Any = {}
    headers: dict[str, str] = {}
    every: list[Any] = []
    for endpoint in endpoints or [
        {"pager": {"kind": "none", "sizes": [0]}, "at": [], "fields": []}
    ]:
        found = endpoint["pager"]
        index = min(_index(asked, found), len(found["sizes"]) - 1)
        if asked.nth >= AGAIN:
            index = len(found["sizes"]) - 1
        first = sum(found["sizes"][:index])
        rows = [
            record(
                endpoint["fields"],
                n,
                asked.path,
                now,
                plain=found["sizes"][index] > 20 and n % 9 > 0,
            )
            for n in range(first, first + found["sizes"][index])
        ]
        every += rows
        leaves = found.get("pages") or []
        held = _here(leaves[index], asked) if index < len(leaves) else []
        for root, path, value in held:
            if root == "headers" and value is not None:
                headers["Link" if path[0] in {"link", "Link"} else path[0]] = str(value)
            if root == "last_record" and rows:
                put(rows[-1], tuple(path), value)
        made = _placed(endpoint["at"], rows)
        target = made[0] if isinstance(made, list) and made else made
        for root, path, value in held:
            if root == "response" and isinstance(target, dict):
                _put_new(target, tuple(path), value)
        body = _merged(body, made)
    raw, kind = encoded(body, every, endpoints[0]["decoder"] if endpoints else {})
    return Reply(body=raw, headers={"content-type": kind, **headers})


def _put_new(into: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Put a value where no records are."""
    here: Any = into
    for step in path:
        if here is not None and not isinstance(here, dict):
            return
        here = here.get(step) if here else None
    if not isinstance(here, (list, dict)) or not here:
        put(into, path, value)


def _merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        made = dict(one)
        for name, value in other.items():
            made[name] = _merged(made[name], value) if name in made else value
        return made
    return other if other or not one else one


def _placed(path: list[str], rows: list[Any]) -> Any:
    """Records at a path, whatever patterns it has."""
    if not path:
        return rows
    step, rest = path[0], path[1:]
    if step in {"*", "**"}:
        # What stands below each of several is one record: lists there are refused.
        return rows if not rest else [_placed_one(rest, row) for row in rows]
    if step.isdigit() and not rest:
        return [rows] * (int(step) + 1)
    return {step.replace("*", "x"): _placed(rest, rows)}


def _placed_one(path: list[str], row: Any) -> Any:
    """One record at a path."""
    made: Any = row
    for step in reversed(path):
        made = [made] if step in {"*", "**"} else {step: made}
    return made


def _here(leaves: list[list[Any]], asked: Asked) -> list[list[Any]]:
    """What an answer holds for the next page, its links those of the request's own URL."""
    url = f"{asked.origin}{asked.path}"
    return [
        [root, path, value.replace(URL, url) if isinstance(value, str) else value]
        for root, path, value in leaves
    ]


def _index(asked: Asked, found: dict[str, Any]) -> int:
    told = token_index(f"{asked.path} {asked.query} {asked.body}") or token_index(
        " ".join(v for k, v in asked.headers if k != "referer")
    )
    if told is not None and found["kind"] == "cursor":
        return told
    for value in _values(asked, found.get("names") or []):
        if found["kind"] == "cursor" and str(value) in found["tokens"]:
            return int(found["tokens"][str(value)])
        if found["kind"] == "count" and str(value).lstrip("-").isdigit():
            return max(int(value) - found["start"], 0)
        if found["kind"] == "offset" and str(value).isdigit():
            return _of_offset(int(value), found["sizes"])
    return 0


def _of_offset(offset: int, sizes: list[int]) -> int:
    passed = 0
    for index, size in enumerate(sizes):
        if offset <= passed:
            return index
        passed += size
    return len(sizes) - 1


def _values(asked: Asked, names: list[str]) -> list[Any]:
    """What a request holds under these names, wherever it does."""
    wanted = {name.lower() for name in names}
    found = [v for k, v in (*asked.query, *asked.headers) if k.lower() in wanted]
    found += [v for k, v in parse_qsl(asked.body) if k.lower() in wanted]
    if asked.body.startswith(("{", "[")):
        with suppress(ValueError):
            found += [
                v
                for part in walk(json.loads(asked.body))
                for k, v in part.items()
                if k.lower() in wanted
            ]
    return [v for v in found if isinstance(v, (str, int))]


def faulty(asked: Asked, faults: dict[str, Any]) -> Reply | None:
    """A fault for some of the requests, the first time they come; or always, for a few."""
    text = f"{asked.method} {asked.path} {sorted(asked.query)} {asked.body}"
    number = sum(map(ord, text))
    known = faults["replies"]
    if not known or number % 2 == 0:
        return None
    status, headers, body = known[number % len(known)]
    if asked.nth >= faults["times"]:
        return None
    return Reply(status=status, headers=headers, body=body)


def faults_of(stream: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The faults that a stream's error handlers speak of."""
    statuses: list[int] = [429, 500]
    headers: dict[str, str] = {}
    words: list[str] = []
    for part in walk(stream):
        if part.get("type") == "HttpResponseFilter":
            statuses += [int(c) for c in part.get("http_codes") or () if str(c).isdigit()]
            word = part.get("error_message_contains")
            words += [word] if isinstance(word, str) and "{" not in word else []
        if part.get("type") == "WaitTimeFromHeader" and "{" not in str(part.get("header")):
            headers[str(part["header"])] = "4"
        if part.get("type") == "WaitUntilTimeFromHeader" and "{" not in str(part.get("header")):
            headers[str(part["header"])] = str(int(now.timestamp()) + 6)
    replies: list[Any] = [
        [s, headers, {"error": {"message": "no"}, "message": "no"}] for s in dict.fromkeys(statuses)
    ]
    replies += [
        [400, headers, {"error": {"message": w}, "message": w}] for w in dict.fromkeys(words)
    ]
    return {"replies": replies, "times": 1}


def host(url: str) -> str:
    """The origin of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
