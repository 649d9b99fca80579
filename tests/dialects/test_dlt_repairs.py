"""What documents say by mistake and mean all the same: one warning each, and the plan it means."""

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.plan.auth import ApiKey, Basic, Bearer, NoAuth, OAuth2
from penstock.plan.expr import Const, Ref, Scope
from penstock.plan.pagination import Counter, NextLink, PageSize, Stop, kind_name
from penstock.plan.records import Carry, Keys
from penstock.plan.request import Slot
from penstock.plan.slices import Field, Parent


def compiled(client=None, **resource):
    config = {
        "client": {"base_url": "https://api.test", **(client or {})},
        "resources": [{"name": "a", **resource}],
    }
    return compile_document(Document.from_object(config, "doc"))


def paginated(paginator):
    return compiled(endpoint={"data_selector": "rows", "paginator": paginator})


def said(found):
    return [(d.code, d.hint) for d in found.diagnostics]


AUTHS = [
    ({"type": "apikey", "api_key": "x"}, ApiKey, ["renamed-value"]),
    ({"type": "basic", "user": "x", "pass": "y"}, Basic, ["renamed-value"] + ["renamed-key"] * 2),
    ({"type": "Bearer", "token": "x"}, Bearer, ["renamed-value"]),
    ({"type": "token", "token": "x"}, Bearer, ["renamed-value"]),
    ({"type": "none"}, NoAuth, ["renamed-value"]),
    ("none", NoAuth, ["renamed-value"]),
    (None, NoAuth, []),
    ({"type": "bearer", "api_key": "x"}, Bearer, ["renamed-key"]),
    (
        {"type": "oauth2", "token_url": "u", "client_id": "a", "client_secret": "b"},
        OAuth2,
        ["renamed-value", "renamed-key"],
    ),
    (
        {
            "type": "oauth2_client_credentials",
            "access_token_url": "u",
            "client_id": "a",
            "client_secret": "b",
            "scopes": ["r", "w"],
        },
        OAuth2,
        ["renamed-key", "renamed-key"],
    ),
]


@pytest.mark.parametrize(("auth", "kind", "codes"), AUTHS)
def test_auth_names_are_understood(auth, kind, codes):
    """Auth of another name is taken for the one it means, one warning for each word."""
    found = compiled({"auth": auth})
    assert sorted(d.code for d in found.diagnostics) == sorted(codes)
    assert all(d.severity == "warning" for d in found.diagnostics)
    assert isinstance(found.need().streams[0].auth, kind)


def test_scopes_go_into_the_token_request():
    """Scopes are sent as one field of the token request, as RFC 6749 spells them."""
    auth = {"type": "oauth2_client_credentials", "access_token_url": "u", "client_id": "a",
            "client_secret": "b", "scopes": ["r", "w"]}  # fmt: skip
    body = compiled({"auth": auth}).need().streams[0].auth.body
    assert (Const(value="scope"), Const(value="r w")) in body.items


def test_a_link_as_cursor_is_followed():
    """A cursor whose path ends in the name of a link becomes a link, and the hint says how."""
    found = paginated({"type": "cursor", "cursor_path": "links.next_page.href"})
    assert said(found) == [
        ("link-as-cursor", 'write "type": "json_link", "next_url_path": "links.next_page.href"')
    ]
    assert found.need().streams[0].pagination == NextLink(
        link=Ref(at=Scope.PAGE, path=("response", "links", "next_page", "href"), optional=True)
    )


@pytest.mark.parametrize("path", ["next_url", "paging.next_link", "links.next", "meta.url"])
def test_names_of_links_are_known(path):
    """Each usual name of a link is one."""
    found = paginated({"type": "cursor", "cursor_path": path})
    assert isinstance(found.need().streams[0].pagination, NextLink)


@pytest.mark.parametrize("path", ["cursors.next", "next_cursor", "meta.after"])
def test_names_of_cursors_stay(path):
    """The usual names of a cursor are no links, and nothing is said."""
    found = paginated({"type": "cursor", "cursor_path": path})
    assert said(found) == []
    assert found.need().streams[0].pagination.into == Slot(place="query", path=("cursor",))


def test_a_cursor_with_its_param_is_no_link():
    """A document that names the cursor's param means what it says, whatever the path ends in."""
    found = paginated({"type": "cursor", "cursor_path": "next.href", "cursor_param": "c"})
    assert said(found) == []
    assert found.need().streams[0].pagination.into == Slot(place="query", path=("c",))


def test_a_page_size_is_sent_as_limit():
    """A page size that dlt has no key for is sent as limit, unless limit_param names another."""
    silent = paginated({"type": "json_link", "limit": 20, "limit_param": "per"})
    loud = paginated({"type": "json_link", "limit": 20})
    assert said(loud) == [("page-size", 'add "limit_param": "limit"')]
    assert said(silent) == []
    limit = Slot(place="query", path=("limit",))
    assert loud.need().streams[0].pagination.size == PageSize(value=Const(value=20), into=limit)
    assert silent.need().streams[0].pagination.size.into == Slot(place="query", path=("per",))


def test_the_hint_of_a_page_size_silences_it():
    """What a hint says to write is what makes the warning go away."""
    found = paginated({"type": "json_link", "page_size": 20})
    assert said(found) == [
        ("renamed-key", 'write "limit"'),
        ("page-size", 'add "limit_param": "limit"'),
    ]
    assert said(paginated({"type": "json_link", "limit": 20, "limit_param": "limit"})) == []


def test_pages_begin_at_one_where_nothing_says_so():
    """A page param without a base or an end begins at 1 and ends by the law of its pages."""
    found = paginated({"type": "page_number", "page_param": "page"})
    hint = 'add "base_page": 1, or 0 where the API counts from 0'
    assert said(found) == [("assumed-first-page", hint)]
    assert found.need().streams[0].pagination == Counter(
        unit="page",
        into=Slot(place="query", path=("page",)),
        start=Const(value=1),
        stop=Stop(empty=True, short="proven", total_unit="pages"),
        doubt=Ref(at=Scope.PAGE, path=("response", "total"), optional=True),
    )


@pytest.mark.parametrize(
    ("paginator", "start"),
    [
        ({"type": "page_number"}, 0),
        ({"type": "page_number", "page_param": "p", "total_path": None}, 0),
        ({"type": "page_number", "page_param": "p", "total_path": "pages"}, 0),
        ({"type": "page_number", "page_param": "p", "base_page": 1}, 1),
        ({"type": "page_number", "page_param": "p", "base_page": 1, "page": 4}, 4),
    ],
)
def test_pages_begin_where_dlt_begins(paginator, start):
    """A document that dlt runs begins at the page that dlt begins at, without a warning."""
    found = paginated(paginator)
    assert said(found) == []
    assert found.need().streams[0].pagination.start == Const(value=start)


@pytest.mark.parametrize(
    ("name", "kind"), [("page", "page"), ("link", "next link"), ("next_url", "next link")]
)
def test_paginator_names_are_understood(name, kind):
    """A paginator of another name is taken for the one it means."""
    found = paginated({"type": name})
    assert [d.code for d in found.diagnostics] == ["renamed-value"]
    assert kind in kind_name(found.need().streams[0].pagination)


def test_endpoint_keys_on_the_resource_are_moved():
    """What belongs into the endpoint is read from the resource, with a warning for each key."""
    found = compiled(path="things", method="POST", data_selector="rows", paginator="single_page")
    plain = compiled(
        endpoint={
            "path": "things",
            "method": "POST",
            "data_selector": "rows",
            "paginator": "single_page",
        }
    )
    assert [d.code for d in found.diagnostics] == ["misplaced-key"] * 4
    assert found.diagnostics[0].hint == 'move "path" into "endpoint"'
    assert found.need() == plain.need()


def test_small_words_are_understood():
    """A method in lower case and a status in quotes are what they mean."""
    actions = [{"status_code": "404", "action": "ignore"}]
    found = compiled(endpoint={"method": "post", "response_actions": actions})
    assert said(found) == [("renamed-value", 'write "POST"'), ("renamed-value", "write 404")]
    assert found.need().streams[0].request.method == "POST"
    assert found.need().streams[0].policy.rules[0].statuses == (404,)


# Parents.

USERS = {"name": "users", "endpoint": {"path": "users"}}
CHATS = {
    "name": "users_chats",
    "endpoint": {"path": "users/{{ stream_partition['user_id'] }}/chats"},
}
CHAT = {
    "name": "chats",
    "endpoint": {"path": "chats/{{ stream_partition['chat_id'] }}", "data_selector": "data"},
}
LINES = {
    "name": "lines",
    "endpoint": {"path": "chats/{{ stream_partition.chat_id }}/lines", "paginator": "auto"},
}


def family(*resources):
    config = {"client": {"base_url": "https://api.test"}, "resources": list(resources)}
    return compile_document(Document.from_object(config, "doc"))


def test_parents_are_inferred():
    """A value without a parent comes from the stream that lists its things without needing it."""
    found = family(CHAT, LINES, CHATS, USERS)
    parents = {s.name: s.partition for s in found.need().streams}
    assert parents["users"] is None
    assert parents["users_chats"] == Parent(
        stream="users", fields=(Field(name="user_id", path=Keys(path=("id",))),)
    )
    chats = Parent(stream="users_chats", fields=(Field(name="chat_id", path=Keys(path=("id",))),))
    assert parents["chats"] == parents["lines"] == chats
    assert [d.code for d in found.diagnostics] == ["inferred-parent"] * 3


def test_rows_carry_what_was_inferred():
    """Rows of such a child have the value as a column, unless they have one of that name."""
    found = family(USERS, CHATS).need().stream("users_chats")
    value = Ref(at=Scope.SLICE, path=("partition", "user_id"))
    assert found.records.steps == (Carry(name="user_id", value=value, keep=True),)


def test_a_pinned_parent_is_not_inferred():
    """What the warning's hint says to add gives the same plan without the warning."""
    pin = {"user_id": {"type": "resolve", "resource": "users", "field": "id"}}
    pinned = {**CHATS, "endpoint": {**CHATS["endpoint"], "params": pin}}
    warned, silent = family(USERS, CHATS), family(USERS, pinned)
    assert warned.diagnostics[0].hint == (
        'add "params": {"user_id": {"type": "resolve", "resource": "users", "field": "id"}}'
    )
    assert silent.diagnostics == ()
    assert warned.need() == silent.need()


def test_a_stream_called_so_comes_before_others():
    """Of several streams that list the same things, the one called after them is the parent."""
    admins = {"name": "admins", "endpoint": {"path": "admin/users"}}
    found = family(admins, USERS, CHATS)
    assert found.need().stream("users_chats").partition.stream == "users"


def test_a_default_key_is_marked():
    """A primary key from the defaults is marked as such; one of the resource's own is not."""
    config = {
        "client": {"base_url": "https://api.test"},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": ["a", {"name": "b", "primary_key": "id"}],
    }
    streams = compile_document(Document.from_object(config, "doc")).need().streams
    assert [s.hints.key_inherited for s in streams] == [True, False]
    assert [s.hints.primary_key for s in streams] == [("id",), ("id",)]
