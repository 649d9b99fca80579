"""Configurations that neither engine runs: what is wrong with them, and what Penstock says."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.data import Parts, answer, config, posts, resource
from tests.parity.dlt.harness import Case

CHILD = "posts/{resources.posts.id}/comments"


def _bad(name: str, code: str, *resources: Any, client: Parts | None = None, **rest: Any) -> Case:
    return Case(
        name=f"refused: {name}", runs=1, refused=code,
        api=lambda ask: answer(posts(ask.round, 3)) if ask.path == "/posts" else answer([]),
        config=lambda base: config(base, *resources, client=client, **rest),
    )  # fmt: skip


def _endpoint(name: str, code: str, endpoint: Parts, *more: Any) -> Case:
    return _bad(name, code, *more, resource("things", endpoint))


CASES = [
    Case(name="refused: no resources", runs=1, refused="missing-key",
         config=lambda base: {"client": {"base_url": base}}),
    Case(name="refused: no client", runs=1, refused="missing-key",
         config=lambda _base: {"resources": ["posts"]}),
    _bad("an unknown key at the top", "unknown-key", "posts", clients={}),
    _bad("an unknown key of the client", "unknown-key", "posts", client={"base": "x"}),
    _bad("an unknown key of a resource", "unknown-key", resource("posts", primary="id")),
    _bad("an unknown key of an endpoint", "unknown-key", resource("posts", {"param": {}})),
    _bad("two resources of one name", "duplicate-name", "posts", "posts"),
    _bad("no name", "missing-key", {"endpoint": "posts"}),
    _endpoint("an unknown paginator", "unknown-value", {"paginator": "pager"}),
    _endpoint("an unknown key of a paginator", "unknown-key",
              {"paginator": {"type": "cursor", "cursors_path": "x"}}),
    _endpoint("an offset without a limit", "missing-key", {"paginator": "offset"}),
    _endpoint("nothing ends it", "no-end", {"paginator": {
        "type": "offset", "limit": 5, "total_path": None, "stop_after_empty_page": False}}),
    _endpoint("a param and a body path", "conflict", {"method": "POST", "json": {}, "paginator": {
        "type": "cursor", "cursor_path": "n", "cursor_param": "c", "cursor_body_path": "c"}}),
    _bad("an unknown auth", "unknown-value", "posts", client={"auth": {"type": "magic"}}),
    _endpoint("json and data", "conflict",
              {"method": "POST", "json": {"a": 1}, "data": {"b": 2}}),
    _endpoint("an unbound placeholder", "unbound-placeholder", {"path": "things/{id}"}),
    _endpoint("an unknown context", "unbound-placeholder", {"params": {"a": "{parent.id}"}}),
    _endpoint("an unknown context in the body", "unbound-placeholder",
              {"method": "POST", "headers": {"a": "{unknown.id}"}}),
    _endpoint("an unknown parent", "unknown-parent", {"path": CHILD}),
    _endpoint("a resolve that the path does not use", "unused-resolve", {
        "params": {"id": {"type": "resolve", "resource": "posts", "field": "id"}}}, "posts"),
    _endpoint("a response action of null", "missing-key",
              {"response_actions": [{"status_code": 404, "action": None}]}),
    _endpoint("null for a response action", "wrong-type", {"response_actions": [None]}),
    _endpoint("an unknown type of a param", "unknown-value", {"params": {"a": {"type": "other"}}}),
    _endpoint("a cycle", "cycle", {"path": "x/{resources.other.id}"},
              resource("other", {"path": "y/{resources.things.id}"})),
    _endpoint("two incremental params", "conflict", {"params": {
        "a": {"type": "incremental", "cursor_path": "x"},
        "b": {"type": "incremental", "cursor_path": "x"}}}),
    _endpoint("an end in a param", "conflict", {"params": {
        "a": {"type": "incremental", "cursor_path": "x", "initial_value": 1, "end_value": 2}}}),
    _endpoint("an end without a start", "missing-key",
              {"incremental": {"cursor_path": "id", "end_value": 5}}),
    _endpoint("an end before the start", "conflict",
              {"incremental": {"cursor_path": "id", "initial_value": 5, "end_value": 4}}),
    _endpoint("an end behind the start of the least", "conflict", {"incremental": {
        "cursor_path": "at", "initial_value": "2024-01-01", "end_value": "2024-01-02",
        "last_value_func": "min"}}),
    _endpoint("a cursor that records lack", "cursor-missing", {
        "path": "posts", "data_selector": "data",
        "incremental": {"cursor_path": "nowhere", "initial_value": 1}}),
    _endpoint("a parent without the field", "parent-field",
              {"path": "posts/{resources.posts.nothing}/x"}, "posts"),
    _bad("from a parent that is none", "unknown-parent",
         resource("posts", include_from_parent=["id"])),
    _endpoint("a bad JSONPath", "bad-jsonpath", {"path": "posts", "data_selector": "a[["}),
    _endpoint("a template without an incremental", "unbound-placeholder",
              {"params": {"since": "{incremental.start_value}"}}),
    _bad("a wrong type", "wrong-type", resource("posts", {"params": "a=1"})),
    _bad("a wrong disposition", "unknown-value", resource("posts", write_disposition="upsert")),
]  # fmt: skip
