"""Components of manifests become the plan they mean."""

from __future__ import annotations

import pytest

from penstock.plan import auth, pagination, slices
from penstock.plan.expr import (
    Concat,
    Const,
    Frame,
    JoinUrl,
    Literal,
    Now,
    Ref,
    Scope,
    TimeOf,
    evaluate,
)
from penstock.plan.page import Headers, HttpResponse
from penstock.plan.policy import judge, wait
from penstock.plan.records import Glob, Keep, Keys
from penstock.plan.request import JsonBody, Param, Slot, TextBody, build

OPTION = {"type": "RequestOption", "inject_into": "request_parameter"}


def _query(name: str) -> Slot:
    return Slot(place="query", path=(name,))


def _response(status: int, body: bytes = b"{}", **headers: str) -> HttpResponse:
    pairs = tuple(headers.items())
    return HttpResponse(status=status, url="https://x.test", headers=Headers(pairs), body=body)


def test_path_with_a_partition_needs_no_template_engine(make):
    """A path with a parent's value in it is a plain join of plain references."""
    found = make.only(requester={"path": "/a/{{ stream_partition.id }}/b"})
    ref = Ref(at=Scope.SLICE, path=("partition", "id"), optional=True, null="None")
    path = Concat(parts=(Const(value="/a/"), ref, Const(value="/b")))
    assert found.request.url == JoinUrl(base=Const(value="https://x.test/v1"), path=path)


def test_query_values_keep_numbers_and_drop_what_is_empty(make):
    """A query value is a text or a list; an empty or missing one is not sent."""
    asked = {"n": "007", "u": "1_000", "l": "{{ config['l'] }}", "e": "", "m": "{{ config.x }}"}
    found = make.only(requester={"request_parameters": asked})
    request = build(found.request, (), Frame(source={"l": "['a', 'b']"}))
    assert request.query == (("n", "007"), ("u", "1_000"), ("l", "a"), ("l", "b"))


def test_json_body_reads_literals_and_leaves_out_nulls(make):
    """Texts in a JSON body that are literals become values; a null in a mapping is left out."""
    body = {"n": "478", "z": "007", "none": "None", "list": ["None", "5"], "{{ 'k' }}": "v"}
    found = make.only(requester={"http_method": "POST", "request_body_json": body})
    assert isinstance(found.request.body, JsonBody)
    given = evaluate(found.request.body.value, Frame())
    assert given == {"n": 478, "z": "007", "list": [None, 5], "k": "v"}


def test_text_body_that_is_a_mapping_is_sent_as_a_form(make):
    """A body that is one text is sent as written, unless it reads as a mapping."""
    plain = make.only(requester={"request_body_data": "a,b"})
    form = make.only(requester={"request_body_data": '{"q": 5}'})
    assert build(plain.request, (), Frame()).body == b"a,b"
    assert isinstance(form.request.body, TextBody)
    assert build(form.request, (), Frame()).body == b"q=5"


def test_credentials_go_out_as_written(make):
    """A token that looks like a number is not read as one."""
    token = {"type": "BearerAuthenticator", "api_token": "{{ config['key'] }}"}
    found = make.only(requester={"authenticator": token})
    signed = auth.sign(
        found.auth,
        build(found.request, (), Frame()),
        Frame(source={"key": "123_456"}),
        None,
    )
    assert signed.headers == (("Authorization", "Bearer 123_456"),)


def test_token_request_has_the_fields_in_their_order(make):
    """A refresh is a form of grant type, client and refresh token, then what else is said."""
    oauth = {
        "type": "OAuthAuthenticator",
        "client_id": "{{ config['id'] }}",
        "client_secret": "s",
        "refresh_token": "r",
        "token_refresh_endpoint": "https://x.test/token",
        "scopes": ["a", "b"],
        "refresh_request_body": {"client_id": "ignored", "audience": "x"},
    }
    found = make.only(requester={"authenticator": oauth})
    asked = auth.token_request(found.auth, Frame(source={"id": "i"}))
    expected = "grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=r"
    assert asked.body.decode() == f"{expected}&scopes=a&scopes=b&audience=x"


def test_choice_of_authenticators_follows_the_users_value(make):
    """The user's value picks the authenticator."""
    choice = {
        "type": "SelectiveAuthenticator",
        "authenticator_selection_path": ["credentials", "kind"],
        "authenticators": {
            "key": {"type": "ApiKeyAuthenticator", "header": "X-Key", "api_token": "k"},
            "none": {"type": "NoAuth"},
        },
    }
    found = make.only(requester={"authenticator": choice})
    chosen = auth.chosen(found.auth, Frame(source={"credentials": {"kind": "key"}}))
    slot = Slot(place="header", path=("X-Key",))
    assert chosen == auth.ApiKey(slot=slot, value=Const(value="k"))


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (
            {"type": "PageIncrement", "page_size": 50, "start_from_page": 1},
            pagination.Counter(
                unit="page",
                into=_query("p"),
                start=Const(value=1),
                send_first=False,
                size=pagination.PageSize(value=Const(value=50)),
                stop=pagination.Stop(short="always"),
            ),
        ),
        (
            {"type": "OffsetIncrement", "inject_on_first_request": True},
            pagination.Counter(unit="offset", into=_query("p"), start=Const(value=0)),
        ),
        (
            {"type": "CursorPagination", "cursor_value": "{{ response.next }}"},
            pagination.NextToken(
                token=Literal(
                    value=Ref(at=Scope.PAGE, path=("response", "next"), optional=True),
                    spelled=True,
                ),
                into=_query("p"),
                whole=True,
            ),
        ),
    ],
)
def test_pagination_strategies(make, strategy, expected):
    """Each strategy becomes the pagination it means."""
    option = {**OPTION, "field_name": "p"}
    paginator = {
        "type": "DefaultPaginator",
        "pagination_strategy": strategy,
        "page_token_option": option,
    }
    assert make.only(retriever={"paginator": paginator}).pagination == expected


def test_request_path_is_a_link_below_the_base(make):
    """A token that is a path stands below the base URL, and the query goes along."""
    paginator = {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"},
        "page_token_option": {"type": "RequestPath"},
    }
    found = make.only(retriever={"paginator": paginator}).pagination
    facts = pagination.Facts(count=1, frame=Frame(page={"response": {"next": "/things?p=2"}}))
    following = found.next(found.first(Frame()), facts)
    assert found.params
    assert following.token == "https://x.test/v1/things?p=2"


def test_token_that_reads_as_nothing_ends_pagination(make):
    """A token that is zero, false or empty when read is the end, as in the reference engine."""
    strategy = {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}
    paginator = {"type": "DefaultPaginator", "pagination_strategy": strategy}
    found = make.only(retriever={"paginator": paginator}).pagination
    for token in (0, "0", None, "None", "", False):
        facts = pagination.Facts(count=1, frame=Frame(page={"response": {"next": token}}))
        assert found.next(found.first(Frame()), facts).reason == "no-next", token
    facts = pagination.Facts(count=1, frame=Frame(page={"response": {"next": "1e3"}}))
    assert found.next(found.first(Frame()), facts).token == "1e3"


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (200, "accept"),
        (400, "fail"),
        (401, "fail"),
        (403, "fail"),
        (404, "fail"),
        (405, "fail"),
        (408, "retry"),
        (409, "retry"),
        (418, "retry"),
        (429, "rate-limited"),
        (500, "retry"),
        (501, "retry"),
        (503, "retry"),
    ],
)
def test_statuses_without_a_handler(make, status, action):
    """Without a handler a status means what it means to the reference engine."""
    assert judge(make.only().policy, _response(status), Frame()).action == action


def _handled(make, *handlers):
    composite = {"type": "CompositeErrorHandler", "error_handlers": list(handlers)}
    return make.only(requester={"error_handler": composite}).policy


def _handler(**condition: object) -> dict:
    return {"type": "DefaultErrorHandler", "response_filters": [condition]}


def test_composite_goes_on_after_a_failure_and_stops_at_an_answer(make):
    """A failure or rate limit of one handler is not its last word; another answer is."""
    policy = _handled(
        make,
        _handler(action="FAIL", http_codes=[500]),
        _handler(action="IGNORE", http_codes=[404]),
    )
    assert judge(policy, _response(500), Frame()).action == "retry"
    assert judge(policy, _response(404), Frame()).action == "ignore"
    limited = _handled(make, _handler(action="RATE_LIMITED", http_codes=[400]), _handler())
    assert judge(limited, _response(400), Frame()).action == "fail"


def test_filter_conditions_are_alternatives(make):
    """Any one condition of a filter is enough."""
    error_handler = _handler(
        action="IGNORE",
        http_codes=[410],
        error_message_contains="gone",
        predicate="{{ response.code == 7 }}",
    )
    policy = make.only(requester={"error_handler": error_handler}).policy
    told = _response(400, b'{"error": {"message": "is gone"}}')
    assert judge(policy, told, Frame()).action == "ignore"
    page = Frame(page={"response": {"code": 7}})
    assert judge(policy, _response(400), page).action == "ignore"
    assert judge(policy, _response(410), Frame()).action == "ignore"
    assert judge(policy, _response(400), Frame()).action == "fail"
    assert judge(policy, _response(200), page).action == "accept"


def test_waits_are_those_of_the_reference(make):
    """Waits double from one second; a strategy's are one second longer than it says."""
    plain = make.only().policy
    assert [wait(plain, n, None, 0, 0) for n in (1, 2, 3, 4, 5)] == [1, 2, 4, 8, 16]
    strategy = {"type": "ExponentialBackoffStrategy"}
    error_handler = {"type": "DefaultErrorHandler", "backoff_strategies": [strategy]}
    policy = make.only(requester={"error_handler": error_handler}).policy
    assert [wait(policy, n, None, 0, 0) for n in (1, 2, 3, 4, 5)] == [11, 21, 41, 81, 161]


def test_wait_in_a_header_may_not_reach_its_cap(make):
    """A wait from a header counts if it is a number, and fails from its cap on."""
    strategy = {
        "type": "WaitTimeFromHeader",
        "header": "X-Wait",
        "max_waiting_time_in_seconds": 30,
    }
    error_handler = {"type": "DefaultErrorHandler", "backoff_strategies": [strategy]}
    policy = make.only(requester={"error_handler": error_handler}).policy
    assert wait(policy, 1, Headers((("X-Wait", "5"),)), 0, 0) == 6
    assert wait(policy, 2, Headers((("X-Wait", "soon"),)), 0, 0) == 2
    assert wait(policy, 1, Headers((("X-Wait", "30"),)), 0, 0) == float("inf")


def test_cursor_with_windows(make):
    """A cursor's format, range, windows and params are kept."""
    sync = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "updated",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": {"type": "MinMaxDatetime", "datetime": "{{ config['start'] }}"},
        "step": "P1M",
        "cursor_granularity": "P1D",
        "start_time_option": {**OPTION, "field_name": "since"},
    }
    found = make.only(incremental_sync=sync, requester={"path": "{{ stream_slice.end_time }}"})
    start = Ref(at=Scope.SLICE, path=("cursor", "start"))
    assert found.cursor.path == Keys(path=("updated",))
    assert found.cursor.params == (Param(slot=_query("since"), value=start),)
    assert isinstance(found.cursor.start, TimeOf)
    assert found.cursor.end == Now()
    assert found.cursor.window.granularity == slices.Duration(seconds=86400)
    assert found.request.url.path.path == ("cursor", "end")


def test_start_of_a_cursor_is_held_between_its_bounds(make):
    """A start before the earliest time, or after the latest, is moved to it."""
    bound = {"type": "MinMaxDatetime", "datetime": "2020-01-01", "min_datetime": "2021-01-01"}
    sync = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "updated",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": bound,
    }
    cursor = make.only(incremental_sync=sync).cursor
    assert evaluate(cursor.start, Frame()) == "2021-01-01T00:00:00+00:00"


def test_parent_that_is_a_stream_of_the_manifest_is_read_as_that(make):
    """A parent that is one of the manifest's own streams is not read a second time."""
    parent = make.stream("parents")
    router = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {
                "type": "ParentStreamConfig",
                "stream": parent,
                "parent_key": "id",
                "partition_field": "pid",
            }
        ],
    }
    child = make.stream("children", retriever={"partition_router": router})
    source = make.compiled(make.manifest(child, parent)).need()
    assert [s.name for s in source.streams] == ["parents", "children"]
    field = slices.Field(name="pid", path=Keys(path=("id",)))
    partition = source.stream("children").partition
    assert (partition.stream, partition.fields) == ("parents", (field,))


def test_parent_that_only_a_child_reads_is_not_loaded(make):
    """A parent that differs from the stream of its name is read beside it, and not loaded."""
    other = make.stream("parents", requester={"request_parameters": {"all": "yes"}})
    config = {
        "type": "ParentStreamConfig",
        "stream": other,
        "parent_key": "id",
        "partition_field": "pid",
    }
    router = {"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]}
    child = make.stream("children", retriever={"partition_router": router})
    source = make.compiled(make.manifest(make.stream("parents"), child)).need()
    helper = source.stream(source.stream("children").partition.stream)
    assert helper.name != "parents"
    assert not helper.selected


def test_field_paths_with_patterns_are_patterns(make):
    """A path of plain keys is plain; one with a star is a pattern."""
    plain = {"type": "DpathExtractor", "field_path": ["a", "b"]}
    starred = {"type": "DpathExtractor", "field_path": ["a", "*"]}
    assert make.only(selector={"extractor": plain}).records.path == Keys(path=("a", "b"))
    assert make.only(selector={"extractor": starred}).records.path == Glob(path=("a", "*"))


def test_filter_comes_before_transformations_unless_said_otherwise(make):
    """Records are filtered first, or last where the manifest says so."""
    selector = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.a == 1 }}"}}
    changes = [{"type": "KeysToLower"}]
    early = make.only(selector=selector, transformations=changes)
    late = make.only(
        selector={**selector, "transform_before_filtering": True}, transformations=changes
    )
    assert isinstance(early.records.steps[0], Keep)
    assert isinstance(late.records.steps[1], Keep)


def test_write_mode_follows_the_cursor_and_the_key(make):
    """Incremental streams merge by key or append; others replace."""
    sync = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "u",
        "datetime_format": "%s",
        "start_datetime": "0",
    }
    assert make.only(primary_key="id").hints.write == "replace"
    assert make.only(primary_key="id", incremental_sync=sync).hints.write == "merge"
    assert make.only(incremental_sync=sync).hints.write == "append"


def test_streams_of_a_template_are_made_of_the_configuration(make):
    """A dynamic stream gives one stream for each value that the configuration holds."""
    dynamic = {
        "type": "DynamicDeclarativeStream",
        "stream_template": make.stream("template"),
        "components_resolver": {
            "type": "ConfigComponentsResolver",
            "stream_config": {"type": "StreamConfig", "configs_pointer": ["tables"]},
            "components_mapping": [
                {
                    "type": "ComponentMappingDefinition",
                    "field_path": ["name"],
                    "value": "{{ components_values['id'] }}",
                },
                {
                    "type": "ComponentMappingDefinition",
                    "field_path": ["retriever", "requester", "path"],
                    "value": "/t/{{ components_values['id'] }}",
                },
            ],
        },
    }
    document = make.manifest(dynamic_streams=[dynamic])
    source = make.compiled(document, {"tables": [{"id": "a"}, {"id": "b"}]}).need()
    assert [s.name for s in source.streams] == ["a", "b"]
    assert [s.request.url.path for s in source.streams] == [
        Const(value="/t/a"),
        Const(value="/t/b"),
    ]


def test_conditional_streams_exist_where_their_condition_holds(make):
    """Streams under a condition are there only if it holds."""
    group = {
        "type": "ConditionalStreams",
        "condition": "{{ config['beta'] }}",
        "streams": [make.stream("beta")],
    }
    document = make.manifest(make.stream())
    document["streams"].append(group)
    assert len(make.compiled(document, {"beta": False}).need().streams) == 1
    assert len(make.compiled(document, {"beta": True}).need().streams) == 2


def test_inputs_are_what_the_spec_asks_for(make):
    """Required values, secrets and defaults come from the spec."""
    schema = {
        "type": "object",
        "required": ["key"],
        "properties": {
            "key": {"type": "string", "airbyte_secret": True},
            "size": {"type": "integer", "default": 5},
            "login": {
                "oneOf": [{"properties": {"password": {"type": "string", "airbyte_secret": True}}}]
            },
        },
    }
    document = make.manifest(make.stream(), spec={"connection_specification": schema})
    key, size, login = make.compiled(document).need().inputs
    assert (key.secret, key.required) == (True, True)
    assert (size.default, size.required) == (5, False)
    assert login.secret_paths == (("password",),)


def test_pages_that_may_shift_are_said_before_the_run(make):
    """A cursor's new records, appended page by page without an order or a key, are warned of."""
    bound = {"type": "MinMaxDatetime", "datetime": "2020-01-01"}
    sync = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "updated",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": bound,
    }
    pages = {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "OffsetIncrement", "page_size": 5},
        "page_token_option": {**OPTION, "field_name": "skip"},
    }
    stream = make.stream(incremental_sync=sync, retriever={"paginator": pages})
    (said,) = make.compiled(make.manifest(stream)).diagnostics
    assert (said.code, said.severity) == ("pages-may-shift", "warning")
    keyed = make.manifest({**stream, "primary_key": "id"})
    assert not make.compiled(keyed).diagnostics


def test_an_option_is_not_named_after_the_path_of_records_around_it(make):
    """A `field_path` among the parameters of a stream is its extractor's, not an option's."""
    option = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "limit"}
    strategy = {"type": "PageIncrement", "page_size": 10}
    paginator = {
        "type": "DefaultPaginator",
        "page_size_option": option,
        "pagination_strategy": strategy,
    }
    found = make.only(retriever={"paginator": paginator}, **{"$parameters": {"field_path": ["a"]}})
    assert found.pagination.size.into == _query("limit")
