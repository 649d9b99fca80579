"""What the keys of the dlt dialect mean in the plan."""

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.errors import ExprError
from penstock.plan.auth import ApiKey, Basic, NoAuth
from penstock.plan.expr import (
    Concat,
    Const,
    Formatted,
    Frame,
    JoinUrl,
    Object,
    Quoted,
    Ref,
    Scope,
    evaluate,
)
from penstock.plan.hints import Column, Contract
from penstock.plan.pagination import Counter, Detect, NextLink, NextToken, SinglePage, Stop
from penstock.plan.policy import ExponentialBackoff, Rule
from penstock.plan.records import Call, Carry, DetectRecords, JsonPath, Keys
from penstock.plan.request import FormBody, JsonBody, Param, Slot, TextBody
from penstock.plan.slices import Field, Window
from penstock.plan.source import Input, RateLimit

BASE = "https://api.test"
PARENT = {"name": "users", "endpoint": "users"}


def source(*resources, client=None, **top):
    config = {"client": {"base_url": BASE, **(client or {})}, "resources": list(resources), **top}
    found = compile_document(Document.from_object(config, "s"))
    assert [d for d in found.diagnostics if d.code != "gap"] == []
    return found.need()


def stream(endpoint=None, *, client=None, defaults=None, **resource):
    top = {"resource_defaults": defaults} if defaults else {}
    own = {"name": "a", "endpoint": endpoint or {}, **resource}
    return source(PARENT, own, client=client, **top).stream("a")


def partition(name):
    return Ref(at=Scope.SLICE, path=("partition", name))


def cursor(name):
    return Ref(at=Scope.SLICE, path=("cursor", name))


def query(name, value):
    return Param(slot=Slot(place="query", path=(name,)), value=value)


def url(path):
    return JoinUrl(base=Const(value=BASE), path=path)


# Requests.

PATHS = [
    ("things", {}, Const(value="things")),
    ("x/{{y}}", {}, Const(value="x/{y}")),
    ("x/{v}", {"v": 3}, Concat(parts=(Const(value="x/"), Const(value=3)))),
    (
        "u/{resources.users.id}/a",
        {},
        Concat(
            parts=(
                Const(value="u/"),
                Quoted(value=partition("users.id")),
                Const(value="/a"),
            )
        ),
    ),
    ("{resources.users.url}", {}, partition("users.url")),
    (
        "u/{resources.users.id:>5}",
        {},
        Concat(
            parts=(
                Const(value="u/"),
                Quoted(value=Formatted(value=partition("users.id"), spec=">5")),
            )
        ),
    ),
    (
        "u/{i}",
        {"i": {"type": "resolve", "resource": "users", "field": "deep.id"}},
        Concat(parts=(Const(value="u/"), Quoted(value=partition("i")))),
    ),
]


@pytest.mark.parametrize(("path", "params", "expected"), PATHS)
def test_paths(path, params, expected):
    """Values of parents are encoded in a path; what the path uses is not sent in the query."""
    found = stream({"path": path, "params": params})
    assert found.request.url == url(expected)
    assert found.request.params == ()


def test_params():
    """Params are sent as they are; placeholders in them are values of the slice."""
    params = {"a": 1, "b": [1, 2], "c": None, "d": "{resources.users.id}", "e": "x-{{y}}"}
    found = stream({"params": params})
    assert found.request.params == (
        query("a", Const(value=1)),
        query("b", Const(value=[1, 2])),
        query("c", Const(value=None)),
        query("d", partition("users.id")),
        query("e", Const(value="x-{y}")),
    )


def test_headers():
    """The client's headers are literal; the endpoint's are templates and replace them."""
    client = {"headers": {"X-A": "{literal}", "X-B": "1"}}
    found = stream({"headers": {"x-b": "{resources.users.id}"}}, client=client)
    assert found.request.params == (
        Param(slot=Slot(place="header", path=("X-A",)), value=Const(value="{literal}")),
        Param(slot=Slot(place="header", path=("x-b",)), value=partition("users.id")),
    )


QUERY = '{ user(id: "{resources.users.id}") { name } }'
BODIES = [
    ({"json": {}}, JsonBody(value=Const(value={}))),
    (
        {"json": {"a": "{resources.users.id}"}},
        JsonBody(value=Object(items=((Const(value="a"), partition("users.id")),))),
    ),
    ({"json": {"q": "{ me { id } }"}}, JsonBody(value=Const(value={"q": "{ me { id } }"}))),
    (
        {"json": {"q": QUERY}},
        JsonBody(
            value=Object(
                items=(
                    (
                        Const(value="q"),
                        Concat(
                            parts=(
                                Const(value='{ user(id: "'),
                                partition("users.id"),
                                Const(value='") { name } }'),
                            )
                        ),
                    ),
                )
            )
        ),
    ),
    ({"data": {"a": 1}}, FormBody(value=Const(value={"a": 1}))),
    ({"data": [["a", 1], ["a", 2]]}, FormBody(value=Const(value=[["a", 1], ["a", 2]]))),
    ({"data": "raw"}, TextBody(value=Const(value="raw"))),
]


@pytest.mark.parametrize(("endpoint", "body"), BODIES)
def test_bodies(endpoint, body):
    """Bodies are JSON, forms or text; braces of their own need no doubling."""
    assert stream({"method": "POST", **endpoint}).request.body == body


def test_a_full_url_needs_no_base():
    """An empty base leaves paths as they are."""
    config = {"client": {"base_url": ""}, "resources": [{"name": "a", "endpoint": f"{BASE}/a"}]}
    found = compile_document(Document.from_object(config, "s")).need()
    assert found.streams[0].request.url == Const(value=f"{BASE}/a")


# Defaults.


def test_defaults_are_merged():
    """Params, json and columns are merged key by key; everything else is replaced whole."""
    defaults = {
        "primary_key": "id",
        "columns": {"x": {"data_type": "text", "nullable": False}, "y": {"data_type": "bool"}},
        "endpoint": {
            "params": {"a": 1, "b": 2},
            "json": {"c": 3},
            "paginator": {"type": "json_link", "next_url_path": "n"},
        },
    }
    found = stream(
        {"params": {"b": 9}, "json": {"d": 4}, "paginator": {"type": "header_link"}},
        defaults=defaults,
        columns=[{"name": "x", "data_type": "bigint"}],
    )
    assert found.request.params == (query("a", Const(value=1)), query("b", Const(value=9)))
    assert found.request.body == JsonBody(value=Const(value={"c": 3, "d": 4}))
    link = Ref(at=Scope.PAGE, path=("links", "next"), optional=True)
    assert found.pagination == NextLink(link=link)
    assert found.hints.columns == (
        Column(name="x", type="bigint", nullable=False),
        Column(name="y", type="bool"),
    )


def test_null_resets_a_default():
    """A key that a resource sets to null has no default any more."""
    found = stream({"paginator": None}, defaults={"endpoint": {"paginator": "single_page"}})
    assert found.pagination == Detect()


# Pagination.


def answer(*path, optional=True):
    return Ref(at=Scope.PAGE, path=("response", *path), optional=optional)


TOTAL = Stop(short="proven", total=answer("total"))
PAGINATORS = [
    ("single_page", SinglePage()),
    ("auto", Detect()),
    (None, Detect()),
    ("json_link", NextLink(link=answer("next"))),
    ({"type": "json_link", "next_url_path": "['@odata.nextLink']"},
     NextLink(link=answer("@odata.nextLink"))),
    ({"type": "json_link", "next_url_path": "links[0].href"},
     NextLink(link=answer("links", 0, "href"))),
    ({"type": "header_link", "links_next_key": "more"},
     NextLink(link=Ref(at=Scope.PAGE, path=("links", "more"), optional=True))),
    ({"type": "header_cursor", "cursor_key": "X-Next", "cursor_param": "c"},
     NextToken(token=Ref(at=Scope.PAGE, path=("headers", "x-next"), optional=True),
               into=Slot(place="query", path=("c",)))),
    ({"type": "cursor"}, NextToken(token=answer("cursors", "next"),
                                   into=Slot(place="query", path=("cursor",)))),
    ({"type": "cursor", "cursor_path": "c", "cursor_body_path": "page.after",
      "has_more_path": "more", "stop_after_empty_page": True},
     NextToken(token=answer("c"), into=Slot(place="json", path=("page", "after")), whole=True,
               stop=Stop(empty=True, more=answer("more", optional=False)))),
    ({"type": "offset", "limit": 5},
     Counter(unit="offset", into=Slot(place="query", path=("offset",)), stop=TOTAL, wholes=True)),
    ({"type": "offset", "limit": 5, "total_path": None, "maximum_offset": 20, "offset": 10},
     Counter(unit="offset", into=Slot(place="query", path=("offset",)), start=Const(value=10),
             stop=Stop(short="proven", maximum=20), wholes=True)),
    ({"type": "page_number", "page_body_path": "p.n", "total_path": "meta.pages"},
     Counter(unit="page", into=Slot(place="json", path=("p", "n")),
             stop=Stop(short="proven", total=answer("meta", "pages", optional=False),
                       total_unit="pages"))),
    ({"type": "page_number", "maximum_page": 3, "stop_after_empty_page": False},
     Counter(unit="page", into=Slot(place="query", path=("page",)),
             stop=Stop(empty=False, short="proven", total_unit="pages", maximum=3))),
    ({"type": "page_number", "stop_after_empty_page": False},
     Counter(unit="page", into=Slot(place="query", path=("page",)),
             stop=Stop(empty=False, short="proven", total=answer("total", optional=False),
                       total_unit="pages"))),
]  # fmt: skip


@pytest.mark.parametrize(("paginator", "expected"), PAGINATORS)
def test_paginators(paginator, expected):
    """Each paginator with its parameters is one kind of the plan."""
    found = stream({"paginator": paginator}).pagination
    if isinstance(found, Counter) and found.unit == "offset":
        assert found.size.value == Const(value=5)
        assert found.size.into == Slot(place="query", path=("limit",))
        found = type(found)(
            **{f: getattr(found, f) for f in found.__struct_fields__ if f != "size"}
        )
    assert found == expected


def test_one_thing_is_one_page():
    """A path that ends in a placeholder is one record on one page, unless more is said."""
    found = stream({"path": "u/{resources.users.id}"}, client={"paginator": "json_link"})
    assert (found.pagination, found.records.path) == (SinglePage(), Keys())
    said = stream(
        {"path": "u/{resources.users.id}", "paginator": "json_link", "data_selector": "d"}
    )
    assert isinstance(said.pagination, NextLink)
    assert said.records.path == Keys(path=("d",))


def test_the_clients_paginator_is_taken_last():
    """The client's paginator counts where the endpoint has none."""
    assert stream(client={"paginator": "single_page"}).pagination == SinglePage()
    assert stream().records.path == DetectRecords()


# Records, parents and cursors.


def test_selectors_beyond_keys():
    """A selector that plain keys cannot say stays a JSONPath."""
    found = stream({"data_selector": "rows[?(@.ok)]"})
    assert found.records.path == JsonPath(text="rows[?(@.ok)]")


def test_fields_of_the_parent():
    """What is included from the parent is a field of the partition and a column of the rows."""
    endpoint = {"path": "u/{resources.users.id}/a", "paginator": "single_page"}
    found = stream(endpoint, include_from_parent=["name"])
    assert found.partition.fields == (
        Field(name="users.id", path=Keys(path=("id",))),
        Field(name="_users_name", path=Keys(path=("name",)), nullable=True, needed=True),
    )
    value = partition("_users_name")
    assert found.records.steps == (Carry(name="_users_name", value=value),)
    cursor = {"incremental": {"cursor_path": "at"}}
    found = stream({**endpoint, **cursor}, include_from_parent=["name"])
    assert [f.name for f in found.partition.fields] == ["users.id"]
    assert [f.name for f in found.partition.extras] == ["_users_name"]


def test_fields_of_the_parent_by_name():
    """A mapping names the columns; one that the path needs anyway is not asked for twice."""
    resolve = {"type": "resolve", "resource": "users", "field": "id"}
    endpoint = {"path": "u/{user_id}/a", "params": {"user_id": resolve}}
    found = stream(endpoint, include_from_parent={"user_id": "id"})
    assert found.partition.fields == (Field(name="user_id", path=Keys(path=("id",))),)
    assert found.records.steps == (Carry(name="user_id", value=partition("user_id")),)


def test_functions_of_python():
    """Functions of a Python configuration are steps, in the order in which they are written."""

    def keep(record):
        return bool(record)

    steps = [{"filter": keep}, {"yield_map": dict}]
    assert stream(processing_steps=steps).records.steps == (
        Call(does="filter", function=keep, name="keep"),
        Call(does="expand", function=dict, name="dict"),
    )


def test_a_cursor_with_every_option():
    """Each option of a cursor has its place in the plan."""
    found = stream(
        {
            "incremental": {
                "cursor_path": "$.meta.t",
                "initial_value": 9,
                "end_value": 5,
                "last_value_func": "min",
                "row_order": "desc",
                "on_cursor_value_missing": "include",
                "range_start": "open",
                "range_end": "closed",
                "start_param": "s",
                "end_param": "e",
            }
        }
    ).cursor
    assert found.path == Keys(path=("meta", "t"))
    assert (found.start, found.end) == (Const(value=9), Const(value=5))
    assert (found.pick, found.order, found.missing) == ("min", "desc", "include")
    assert (found.closed_start, found.closed_end, found.boundary) == (False, True, ())
    assert found.params == (query("s", cursor("start")), query("e", cursor("end")))


@pytest.mark.parametrize(
    ("hints", "options", "boundary"),
    [
        ({}, {}, None),
        ({"primary_key": "id"}, {}, ("id",)),
        ({"primary_key": "id"}, {"primary_key": ["x", "y"]}, ("x", "y")),
        ({"primary_key": "id"}, {"primary_key": []}, ()),
        ({"primary_key": "id"}, {"lag": 5}, None),
        ({"primary_key": "id"}, {"lag": 5, "primary_key": []}, ()),
        ({"primary_key": "id", "write_disposition": "merge"}, {}, None),
    ],
)
def test_the_boundary(hints, options, boundary):
    """Boundary rows are known by the key; where rows are merged, or with a lag, by all of them."""
    assert (
        stream({"incremental": {"cursor_path": "t", **options}}, **hints).cursor.boundary
        == boundary
    )


def test_windows_of_a_given_length():
    """A step that the user sets is put together when the run knows it."""
    days = {"days": 'dlt.config["n"]'}
    found = stream({"incremental": {"cursor_path": "t", "format": "%ms", "step": days}}).cursor
    step = Concat(parts=(Const(value="P"), Ref(at=Scope.SOURCE, path=("n",)), Const(value="D")))
    assert found.window == Window(step=step)
    assert found.format == "%ms"
    assert found.closed_end


# Auth, policy and limits.


def test_auth():
    """Each auth has its place; the endpoint's replaces the client's, also by null."""
    key = {"type": "api_key", "name": "k", "api_key": "v", "location": "query"}
    found = stream(client={"auth": key}).auth
    assert found == ApiKey(slot=Slot(place="query", path=("k",)), value=Const(value="v"))
    basic = {"type": "http_basic", "username": "u", "password": "p"}
    assert stream({"auth": basic}, client={"auth": key}).auth == Basic(
        username=Const(value="u"), password=Const(value="p")
    )
    assert stream({"auth": None}, client={"auth": key}).auth == NoAuth()


def test_credentials_left_out_are_asked_for():
    """A credential that the document leaves out is an input, and secret."""
    found = source("a", client={"auth": "bearer"})
    before = ("credentials.token", "credentials")
    assert found.inputs == (Input(name="token", before=before, secret=True),)


def test_a_config_value_used_as_a_credential_is_secret():
    """A value from config that stands for a credential is never shown."""
    auth = {"type": "bearer", "token": 'dlt.config["t"]'}
    assert source("a", client={"auth": auth}).inputs == (Input(name="t", secret=True),)


def test_inputs():
    """Declared inputs say what a value is; used ones that were not declared come behind them."""
    inputs = {"n": {"default": 5, "description": "How many."}}
    params = {"n": 'dlt.config["n"]', "m": 'dlt.config["m"]'}
    found = source({"name": "a", "endpoint": {"params": params}}, inputs=inputs)
    assert found.inputs == (
        Input(name="n", required=False, default=5, description="How many."),
        Input(name="m"),
    )


def test_policy_and_limits():
    """Retries, rates and concurrency are keys of the client; actions are the endpoint's."""
    client = {
        "retry": {"max_retries": 5, "backoff_factor": 1, "statuses": [500]},
        "concurrency": 3,
        "rate_limit": {"calls": 10, "seconds": 2},
        "timeout": 7,
    }
    actions = [{"status_code": 404, "content": "gone", "action": "ignore"}]
    own = {"name": "a", "endpoint": {"response_actions": actions}}
    found = source(own, client=client)
    policy = found.streams[0].policy
    assert (policy.retries, policy.retry_statuses) == (5, (500,))
    assert policy.backoff == (ExponentialBackoff(factor=1.0),)
    assert policy.rules == (Rule(action="ignore", statuses=(404,), contains="gone"),)
    assert found.limits.concurrency == 3
    assert found.limits.rates == (RateLimit(calls=10, seconds=2.0),)
    assert found.streams[0].request.read_timeout == 7.0


# Hints.


def test_hints():
    """Dispositions, keys, contracts, nesting and tables are hints of the stream."""
    found = stream(
        table_name="t",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        primary_key=["a", "b"],
        merge_key="c",
        schema_contract={"columns": "freeze"},
        max_table_nesting=2,
        columns={
            "m": {"data_type": "decimal", "precision": 10, "scale": 2, "dedup_sort": "desc"},
            "w": {"data_type": "timestamp", "timezone": False},
        },
        selected=False,
    )
    hints = found.hints
    assert (hints.table, hints.write, hints.strategy) == ("t", "merge", "upsert")
    assert (hints.primary_key, hints.merge_key, hints.max_nesting) == (("a", "b"), ("c",), 2)
    assert hints.contract == Contract(columns="freeze")
    assert hints.columns == (
        Column(name="m", type="decimal", precision=10, scale=2, dedup_sort="desc"),
        Column(name="w", type="timestamp_ntz"),
    )
    assert not found.selected


def test_gaps_are_said():
    """A hint that changes nothing is one warning, and the plan is there."""
    config = {
        "client": {"base_url": BASE},
        "resources": [{"name": "a", "file_format": "parquet", "parallelized": True}],
    }
    found = compile_document(Document.from_object(config, "s"))
    assert [(d.code, d.message) for d in found.diagnostics] == [
        ("gap", "file_format is not honoured")
    ]


def test_hints_of_ones_own_change_nothing():
    """A hint that begins with `x-` is known to be somebody's own, and said to have no effect."""
    columns = {"n": {"data_type": "wei", "x-owner": "me", "nullable": False}}
    config = {"client": {"base_url": BASE}, "resources": [{"name": "a", "columns": columns}]}
    found = compile_document(Document.from_object(config, "s"))
    assert [(d.code, d.message) for d in found.diagnostics] == [
        ("gap", "the hint 'x-owner' of the column 'n' is not honoured")
    ]
    assert found.need().streams[0].hints.columns == (
        Column(name="n", type="decimal", scale=0, wei=True, nullable=False),
    )


def test_the_input_is_left_as_it_was():
    """Compiling changes nothing in the configuration it is given."""
    config = {"client": {"base_url": BASE}, "resources": [{"name": "a", "endpoint": "x/{{y}}"}]}
    before = repr(config)
    source(config["resources"][0])
    assert repr(config) == before


def test_pages_that_may_shift_are_said_before_the_run():
    """An incremental that appends counted pages without an order or a key is warned of, once."""
    doc = {
        "client": {"base_url": "https://api.test"},
        "resources": [
            {
                "name": "a",
                "endpoint": {
                    "path": "a",
                    "data_selector": "rows",
                    "paginator": {"type": "offset", "limit": 5},
                    "incremental": {"cursor_path": "at", "start_param": "since"},
                },
            }
        ],
    }
    (said,) = compile_document(Document.from_object(doc, "doc")).diagnostics
    assert (said.code, said.severity) == ("pages-may-shift", "warning")
    assert said.place is not None
    doc["resources"][0]["endpoint"]["params"] = {"sort": "at"}
    assert not compile_document(Document.from_object(doc, "doc")).diagnostics


@pytest.mark.parametrize(
    ("first", "start", "end"),
    [
        ("2024-01-01", "2024-01-03", "2024-01-05"),
        ("2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z", "2024-01-05T06:30:00Z"),
        ("2024-01-01 00:00:00", "2024-01-03 00:00:00", "2024-01-05 06:30:00"),
        ("2024-01-04T00:00:00Z", "2024-01-04T00:00:00Z", "2024-01-05T06:30:00Z"),
        (1704067200, 1704240000, 1704436200),
    ],
)
def test_a_scheduler_sets_the_range(first, start, end):
    """Its times are spelled as the first value is, and begin no earlier than that."""
    said = {"cursor_path": "at", "initial_value": first, "allow_external_schedulers": True}
    cursor = stream({"incremental": said}).cursor
    interval = {"dlt_interval_start": "2024-01-03", "dlt_interval_end": "2024-01-05T06:30:00+00:00"}
    frame = Frame(source=interval)
    assert (evaluate(cursor.start, frame), evaluate(cursor.end, frame)) == (start, end)


def test_a_scheduler_sets_no_range_that_is_no_time():
    """A name is neither before nor behind a time."""
    said = {"cursor_path": "at", "initial_value": "a", "allow_external_schedulers": True}
    cursor = stream({"incremental": said}).cursor
    with pytest.raises(ExprError, match="cannot be compared with the initial_value 'a'"):
        evaluate(cursor.start, Frame(source={"dlt_interval_start": "2024-01-03"}))
