"""Cases of requests: templates, parents, headers, bodies, auth, response actions, detection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from tests.parity.dlt import steps
from tests.parity.dlt.data import Parts, answer, config, posts, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Api, Ask, Reply

DATA = {"data_selector": "data", "paginator": "single_page"}
PAGED = {"data_selector": "data", "paginator": {"type": "cursor", "cursor_path": "next"}}


def _blog(ask: Ask) -> Any:
    """Posts on three pages; each has two comments, on two pages, and details."""
    parts = [p for p in ask.path.split("/") if p]
    if len(parts) == 1 and parts[0] in {"posts", "all"}:
        start = ask.number("cursor")
        held = posts(ask.round, 7)
        more = start + 3 if start + 3 < len(held) else None
        return answer(held[start : start + 3], next=more)
    if parts[-1] == "details":
        return {"id": int(parts[1]), "more": f"details of {parts[1]}"}
    if parts[-1] in {"comments", "found"}:
        wanted = int(parts[1]) if len(parts) > 2 else int(_wanted(ask))
        at = ask.number("cursor")
        comment = {"id": 100 * wanted + at, "post": wanted, "body": f"c{at} of {ask.round}"}
        return answer([comment], next=None if at else 1)
    if parts[-1] == "likes":
        return answer([{"comment": int(parts[1]), "likes": int(parts[1]) % 7}])
    return Reply(status=404, body={"error": "no such thing"})


def _wanted(ask: Ask) -> Any:
    said = ask.json if ask.body.startswith(b"{") else {}
    form = ask.body.decode().rpartition("=")[2] if not said and ask.body else ""
    nested = (said or {}).get("find", said or {})
    return ask.param("post") or nested.get("post") or ask.headers.get("x-post") or form


def _family(
    name: str, child: Parts, *more: Parts, parent: Parts | None = None, **rest: Any
) -> Case:
    top = resource("posts", PAGED, write_disposition="merge", primary_key="id", **(parent or {}))
    whole = {"name": "comments", "write_disposition": "merge", "primary_key": "id", **child}
    return Case(
        name=name, api=_blog,
        config=lambda base: config(base, top, whole, *more, **rest),
    )  # fmt: skip


def _parents() -> Iterator[Case]:
    resolve = {"type": "resolve", "resource": "posts", "field": "id"}
    ways: dict[str, Parts] = {
        "resolve in the path": {"path": "posts/{post}/comments", "params": {"post": resolve}},
        "template in the path": {"path": "posts/{resources.posts.id}/comments"},
        "template in the query": {"path": "found", "params": {"post": "{resources.posts.id}"}},
        "template in the body": {"path": "found", "method": "POST",
                                 "json": {"post": "{resources.posts.id}"}},
        "template deep in the body": {
            "path": "found", "method": "POST",
            "json": {"find": {"post": "{resources.posts.id}", "by": ["{resources.posts.title}"],
                              "text": "post {resources.posts.id}"}}},
        "template in a header": {"path": "found", "headers": {"X-Post": "{resources.posts.id}"}},
        "template in a form": {"path": "found", "method": "POST",
                               "data": {"post": "{resources.posts.id}"}},
        "template in text": {"path": "found", "method": "POST",
                             "data": "post={resources.posts.id}"},
        "two fields of a parent": {"path": "posts/{resources.posts.id}/comments",
                                   "params": {"title": "{resources.posts.title}"}},
        "a nested field": {"path": "posts/{resources.posts.id}/comments",
                           "params": {"by": "{resources.posts.author.name}"}},
        "format": {"path": "posts/{resources.posts.id}/comments",
                   "params": {"wide": "{resources.posts.id:>5}", "r": "{resources.posts.title!r}"}},
        "a param with a template in the path": {
            "path": "posts/{post}/comments", "params": {"post": "{resources.posts.id}"}},
        "a static param in the path": {"path": "posts/{resources.posts.id}/{what}",
                                       "params": {"what": "comments", "x": 1}},
    }  # fmt: skip
    for name, endpoint in ways.items():
        yield _family(f"child: {name}", {"endpoint": {**PAGED, **endpoint}})
    path = {**PAGED, "path": "posts/{resources.posts.id}/comments"}
    yield _family("child: parallelized", {"endpoint": path, "parallelized": True})
    yield _family("child: appended", {"endpoint": path, "write_disposition": "append"})
    yield _family("child: replaced", {"endpoint": path, "write_disposition": "replace"})
    yield _family("child: parent is not selected", {"endpoint": path}, parent={"selected": False})
    yield _family("child: parent is filtered", {"endpoint": path},
                  parent={"processing_steps": [{"filter": steps.is_even}]})  # fmt: skip
    yield _family("child: details of one", {
        "endpoint": {"path": "posts/{resources.posts.id}/details"}, "name": "details"})  # fmt: skip
    yield _family("child: single entity by its path",
                  {"name": "details", "endpoint": {"path": "posts/{resources.posts.id}/details",
                                                   "data_selector": "$"}})  # fmt: skip
    yield _family("child: of a child", {"endpoint": path},
                  resource("likes", {**DATA, "path": "comments/{resources.comments.id}/likes"},
                           include_from_parent=["post"]))  # fmt: skip
    yield _family("child: two children", {"endpoint": path},
                  resource("again", {**PAGED, "path": "posts/{resources.posts.id}/comments"},
                           table_name="comments_again"))  # fmt: skip


def _included() -> Iterator[Case]:
    path = {**PAGED, "path": "posts/{resources.posts.id}/comments"}
    yield _family("child: include_from_parent",
                  {"endpoint": path, "include_from_parent": ["title", "id"]})  # fmt: skip
    yield _family("child: fields that are null, or nested", {
        "endpoint": path, "include_from_parent": ["nothing", "author", "tags"]},
        parent={"processing_steps": [{"map": steps.with_more}]})  # fmt: skip
    yield _family("child: steps see fields of the parent", {
        "endpoint": path, "include_from_parent": ["title"],
        "processing_steps": [{"map": steps.with_parent}]})  # fmt: skip
    yield _family("child: a key of the parent's", {
        "endpoint": path, "include_from_parent": ["id"],
        "primary_key": ["_posts_id", "id"]})  # fmt: skip
    yield _family("child: a cursor beside a field that changes", {
        "endpoint": {**path, "incremental": {"cursor_path": "id", "initial_value": 0}},
        "include_from_parent": ["title"], "write_disposition": "append"},
        parent={"processing_steps": [{"filter": steps.is_first}]})  # fmt: skip
    yield _family("child: fields of a grandparent", {
        "endpoint": path, "include_from_parent": ["title", "nothing"]},
        resource("likes", {**DATA, "path": "comments/{resources.comments.id}/likes",
                           "params": {"t": "{resources.comments._posts_title}"}},
                 include_from_parent=["_posts_title", "_posts_nothing"]),
        parent={"processing_steps": [{"map": steps.with_more}]})  # fmt: skip


def _echo(ask: Ask) -> Reply:
    return answer([{"id": 1, "path": ask.path}])


def _ways() -> dict[str, Parts]:
    """What an endpoint may say of its request."""
    return {
        "params of all kinds": {
            "params": {
                "s": "a b&c",
                "n": 5,
                "f": 1.5,
                "b": True,
                "none": None,
                "list": [1, 2],
                "empty": "",
                "u": "ü/é",
            }
        },
        "a query in the path": {"path": "things?a=1&b=2", "params": {"c": 3}},
        "escaped braces": {
            "path": "things",
            "params": {"q": "{{literal}}"},
            "headers": {"X-Raw": "{{x}}"},
        },
        "escaped braces in the body": {"method": "POST", "json": {"q": "{{literal}}"}},
        "headers": {"headers": {"X-Own": "endpoint", "X-Both": "endpoint"}},
        "an empty body on GET": {"json": {}},
        "a body": {"method": "POST", "json": {"a": [1, {"b": None}], "c": "ü"}},
        "a form": {"method": "POST", "data": {"a": "1 2", "b": "ü"}},
        "a form of pairs": {"method": "POST", "data": [["a", "1"], ["a", "2"]]},
        "text": {"method": "POST", "data": "raw text"},
        "no params": {},
        "a slash before the path": {"path": "/things"},
        "slashes around the path": {"path": "/things/"},
        "an empty path": {"path": ""},
        "a custom method": {"path": "v1:search"},
        "odd signs in the path": {"path": "a:b;c,d@e!$&'()*+=|^`\"<>"},
        "data beside an empty body": {"method": "POST", "json": {}, "data": {"a": 1}},
        "a body beside empty data": {"method": "POST", "json": {"a": 1}, "data": {}},
        "an empty selector": {"data_selector": ""},
    }


def _plain() -> Iterator[Case]:
    for name, endpoint in _ways().items():
        yield Case(
            name=f"request: {name}", runs=1, api=_echo,
            config=lambda base, e=endpoint: config(
                base, resource("things", {**DATA, **e}),
                client={"headers": {"X-Client": "{not a template}", "X-Both": "client"}},
            ),
        )  # fmt: skip
    yield Case(name="request: another URL in the path", runs=1, api=_echo,
               config=lambda base: config(f"{base}/v1/", resource("a", {
                   **DATA, "path": f"{base}/v2/things"}), resource("b", DATA)))  # fmt: skip
    yield Case(name="request: a base with a path", runs=1, api=_echo,
               config=lambda base: config(f"{base}/v1", "a", resource("b", "/x/y")))  # fmt: skip
    yield Case(name="request: names, paths and mappings", runs=1, api=_echo,
               config=lambda base: config(base, "a", {"name": "b"}, {"name": "c", "endpoint": "x"},
                                          resource("d", {"path": "y/z"})))  # fmt: skip
    defaults = {"endpoint": {**DATA, "params": {"limit": 5, "sort": "id"}},
                "write_disposition": "merge", "primary_key": "id",
                "columns": {"id": {"data_type": "bigint"}}}  # fmt: skip
    yield Case(name="request: defaults are merged", runs=2, api=_echo,
               config=lambda base: config(
                   base, "a", resource("b", {"params": {"sort": "name", "x": 1}}),
                   resource("c", {"path": "z"}, write_disposition="append",
                            columns={"path": {"data_type": "text"}}),
                   resource("d", {"path": "z"}, columns={}, primary_key=""),
                   resource_defaults=defaults))  # fmt: skip


def _one_key(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[0].targets() == ["/posts?key=mine&key=k"]
    assert ours[0].targets() == ["/posts?key=k"]


def _one_token(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert theirs[0].targets().count("/token") == 2
    assert ours[0].targets().count("/token") == 1
    assert theirs[0].tables == ours[0].tables


def _refusing() -> Api:
    """An API that takes back the first token that each client was given, after one page."""
    given: Counter[str] = Counter()

    def api(ask: Ask) -> Any:
        if ask.path == "/token":
            given[ask.base] += 1
            return {"access_token": f"t{given[ask.base]}", "expires_in": 3600}
        gone = ask.headers.get("authorization") == "Bearer t1" and ask.query
        return Reply(status=401, body={}) if gone else _blog(ask)

    return api


def _renewed(theirs: list[Outcome], ours: list[Outcome]) -> None:
    assert "401" in theirs[0].error
    assert not ours[0].error
    assert ours[0].targets().count("/token") == 2
    assert ours[0].rows("posts", "id") == list(range(1, 8))


def _tokens(ask: Ask) -> Any:
    """The API, for who has a token."""
    if ask.path == "/token":
        return {"access_token": "given", "expires_in": 3600}
    known = ask.headers.get("authorization") == "Bearer given"
    return _blog(ask) if known else Reply(status=401, body={})


def _refreshed(ask: Ask) -> Any:
    """The API, whose tokens are given for a refresh token alone."""
    if ask.path == "/token":
        said = dict(parse_qsl(ask.body.decode()))
        if (said.get("grant_type"), said.get("refresh_token")) != ("refresh_token", "old"):
            return Reply(status=400, body={"error": "unsupported_grant_type"})
    return _tokens(ask)


def _auths() -> Iterator[Case]:
    kinds: dict[str, Any] = {
        "bearer": {"type": "bearer", "token": "t0ken"},
        "token alone": {"token": "t0ken"},
        "api key": {"type": "api_key", "api_key": "k"},
        "api key in a header": {"type": "api_key", "name": "X-Key", "api_key": "k",
                                "location": "header"},
        "api key in the query": {"type": "api_key", "name": "key", "api_key": "k",
                                 "location": "query"},
        "api key as a param": {"type": "api_key", "name": "key", "api_key": "k",
                               "location": "param"},
        "basic": {"type": "http_basic", "username": "user", "password": "pass:word"},
    }  # fmt: skip
    for name, auth in kinds.items():
        endpoint = {"path": "posts", **PAGED, "params": {"a": 1}}
        yield Case(name=f"auth: {name}", runs=1, api=_blog,
                   config=lambda base, a=auth, e=endpoint: config(
                       base, resource("posts", e), client={"auth": a}))  # fmt: skip
    own = {**PAGED, "auth": {"type": "bearer", "token": "own"}}
    yield Case(name="auth: of an endpoint", runs=1, api=_blog,
               config=lambda base: config(base, resource("posts", own), resource("all", PAGED),
                                          client={"auth": kinds["basic"]}))  # fmt: skip
    both = {**DATA, "params": {"key": "mine"}}
    yield Case(name="auth: a key in the query beside a param of its name", runs=1, api=_blog,
               config=lambda base: config(base, resource("posts", both), client={
                   "auth": kinds["api key in the query"]}),
               differs=("an `api_key` in the query, and a param of its name",),
               check=_one_key)  # fmt: skip


def _granted() -> Iterator[Case]:
    """Tokens of client credentials."""
    oauth = {"type": "oauth2_client_credentials", "client_id": "me", "client_secret": "s3cret"}
    yield Case(name="auth: one token for all", runs=1, api=_tokens,
               config=lambda base: config(
                   base, resource("posts", PAGED), resource("all", PAGED),
                   client={"auth": {**oauth, "access_token_url": f"{base}/token"}}),
               differs=("a token of client credentials",), check=_one_token)  # fmt: skip
    yield Case(name="auth: a token that is refused", runs=1, api=_refusing(),
               config=lambda base: config(
                   base, resource("posts", PAGED),
                   client={"auth": {**oauth, "access_token_url": f"{base}/token"}}),
               differs=("a 401 where a token was obtained, before its end",),
               check=_renewed)  # fmt: skip
    yield Case(name="auth: client credentials", runs=1, api=_tokens,
               config=lambda base: config(
                   base, resource("posts", PAGED),
                   client={"auth": {**oauth, "access_token_url": f"{base}/token",
                                    "access_token_request_data": {"scope": "read"}}}))  # fmt: skip
    yield Case(name="auth: a refresh token", runs=1, api=_refreshed,
               config=lambda base: config(
                   base, resource("posts", PAGED),
                   client={"auth": {**oauth, "access_token_url": f"{base}/token",
                                    "access_token_request_data": {
                                        "grant_type": "refresh_token",
                                        "refresh_token": "old"}}}))  # fmt: skip


def _actions() -> Iterator[Case]:
    def holes(ask: Ask) -> Any:
        if ask.path == "/posts":
            return answer(posts(1, 4))
        number = int(ask.path.split("/")[2])
        if number == 2:
            return Reply(status=404, body={"error": "no comments here"})
        if number == 3:
            return Reply(status=200, body={"error": "locked"})
        return answer([{"id": number, "post": number}])

    ways: dict[str, list[Parts]] = {
        "by status and by content": [{"status_code": 404, "action": "ignore"},
                                     {"content": "locked", "action": "ignore"}],
        "by both": [{"status_code": 404, "content": "no comments", "action": "ignore"},
                    {"status_code": 200, "content": "locked", "action": "ignore"}],
    }  # fmt: skip
    for name, actions in ways.items():
        endpoint = {**DATA, "path": "posts/{resources.posts.id}/comments",
                    "response_actions": actions}  # fmt: skip
        yield Case(name=f"response actions: {name}", api=holes,
                   config=lambda base, e=endpoint: config(
                       base, resource("posts", DATA, write_disposition="replace"),
                       resource("comments", e, write_disposition="replace")))  # fmt: skip
    yield Case(name="response actions: no content", runs=1, api=lambda _ask: Reply(status=204),
               config=lambda base: config(base, resource("posts", {
                   **DATA, "response_actions": [{"status_code": 204, "action": "ignore"}]},
                   write_disposition="append")))  # fmt: skip
    nothing = [{"status_code": 200, "action": []}, {"action": []}]
    yield Case(name="response actions: without functions", runs=1,
               api=lambda _ask: answer(posts(1, 4)),
               config=lambda base: config(base, resource("posts", {
                   **DATA, "response_actions": nothing})))  # fmt: skip
    for status in (400, 404, 422):
        yield Case(name=f"an answer of {status} fails", runs=1, refused="status",
                   api=lambda _ask, s=status: Reply(status=s, body={"error": "x"}),
                   config=lambda base: config(base, resource("posts", DATA)))  # fmt: skip


def _processing() -> Iterator[Case]:
    ways: dict[str, list[Parts]] = {
        "filter": [{"filter": steps.is_even}],
        "map": [{"map": steps.shout}],
        "yield_map": [{"yield_map": steps.twice}],
        "map, then filter": [{"map": steps.times_ten}, {"filter": steps.is_tenth}],
        "filter, then map": [{"filter": steps.is_tenth}, {"map": steps.times_ten}],
        "all in one": [{"filter": steps.is_even, "map": steps.times_ten}],
    }
    for name, does in ways.items():
        yield Case(name=f"steps: {name}", api=lambda ask: answer(posts(ask.round, 12)),
                   config=lambda base, d=does: config(base, resource(
                       "posts", DATA, processing_steps=d)))  # fmt: skip
    since = {"cursor_path": "id", "initial_value": 50}
    yield Case(name="steps: before the cursor", api=lambda ask: answer(posts(ask.round, 12)),
               config=lambda base: config(base, resource(
                   "posts", {**DATA, "incremental": since},
                   processing_steps=[{"map": steps.times_ten}])))  # fmt: skip


def _detected(form: str) -> Api:
    """An API that says in one way where its records and its next page are."""

    def api(ask: Ask) -> Any:
        held = posts(ask.round, 9)
        start = ask.number("from") or ask.number("cursor")
        page = held[start : start + 4]
        more = start + 4 < len(held)
        link = f"{ask.base}/posts?from={start + 4}" if more else None
        match form:
            case "a list":
                return page
            case "a list and a Link header":
                return Reply(body=page, headers={"Link": f'<{link}>; rel="next"'} if more else {})
            case "links.next":
                return {"results": page, "links": {"next": {"href": link} if more else None}}
            case "next":
                return {"items": page, "next": link}
            case "next_page_url":
                return {"data": page, "meta": {"next_page_url": link}}
            case "cursor":
                return {"data": page, "next": start + 4 if more else None, "size": 4}
            case "one record":
                return held[0]
            case "a nested list":
                return {"_embedded": {"items": page}, "page": {"size": 4}}
            case "a list of an unknown name":
                return {"status": "ok", "folks": page}
            case _:
                return {"data": page, "paging": {"pages": 1}}

    return api


def _detection() -> Iterator[Case]:
    forms = ["a list", "a list and a Link header", "links.next", "next", "next_page_url", "cursor",
             "one record", "a nested list", "a list of an unknown name"]  # fmt: skip
    for form in forms:
        yield Case(name=f"detected: {form}", api=_detected(form),
                   config=lambda base: config(base, "posts"))  # fmt: skip


CASES = [
    *_parents(),
    *_included(),
    *_plain(),
    *_auths(),
    *_granted(),
    *_actions(),
    *_processing(),
    *_detection(),
]
