"""Slices that few manifests cut: odd routers, odd windows, odd states, several levels."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages
from tests.parity.airbyte.partitions import listed, parent, substream

_ISO = "%Y-%m-%dT%H:%M:%SZ"
_WHOLE = [
    {"id": "a", "n": {"deep": 1, "list": [7]}, "x": 5, "tags": ["t", "u"], "at": "2024-01-02"},
    {"id": "b", "n": {"deep": 2}, "at": "2024-01-05", "null": None},
    {"id": 0, "at": "2024-01-04"},
    {"id": "", "at": "2024-01-04"},
    {"id": False, "at": "2024-01-04"},
    {"id": ["l"], "at": "2024-01-03"},
]


def _kids(asked: Asked) -> Any:
    low = asked.params.get("since", "")
    days = [f"2024-01-0{n}" for n in range(1, 9)]
    return {"data": [{"id": f"{asked.path}?{asked.params} {d}", "at": d} for d in days if d >= low]}


def _api(parents: list[Any] | None = None, kids: Any = None) -> Any:
    def answer(asked: Asked) -> Any:
        if asked.path == "/parents":
            low = asked.params.get("since", "")
            rows = _WHOLE[:2] if parents is None else parents
            return {"data": [r for r in rows if str(r.get("at", "~")) >= low]}
        return (kids or (lambda a: {"data": [{"id": f"{a.path}?{a.params}"}]}))(asked)

    return lambda: answer


PARENTS = stream("parents", path="/parents")
_SUB = substream(parent(PARENTS))


def _child(
    router: Any, name: str = "kids", path: str = "/p/{{ stream_partition.pid }}/kids", **parts: Any
) -> dict[str, Any]:
    retrieves = {"partition_router": router, **parts.pop("retrieves", {})}
    return stream(name, path=path, retrieves=retrieves, **parts)


def _case(name: str, *streams: Any, api: Any = None, **parts: Any) -> Case:
    parts = {"shared": ("/parents",), **parts}
    return case(f"slices, {name}", *streams, api=api or _api(), **parts)


def _flat(path: str = "/kids", **parts: Any) -> dict[str, Any]:
    return stream("kids", path=path, **parts)


_Q = {"request_parameters": {"q": "{{ stream_partition.region }}"}}
_LISTS = [
    _case("values that are numbers", _flat(asks=_Q, retrieves={
        "partition_router": {**listed(), "values": "{{ [1, 2.5, '03', true, none] }}"}})),
    _case("values of a text", _flat(asks=_Q, retrieves={
        "partition_router": {**listed(), "values": "{{ config['regions'] }}"}}),
        config={"regions": "['x', 'y']"}),
    _case("values split", _flat(asks=_Q, retrieves={
        "partition_router": {**listed(), "values": "{{ config['regions'].split(',') }}"}}),
        config={"regions": "x, y"}),
    _case("values of objects", _flat(
        asks={"request_parameters": {"q": "{{ stream_partition.region.k }}"}}, retrieves={
            "partition_router": {**listed(), "values": "{{ config['regions'] }}"}}),
        config={"regions": [{"k": 1}, {"k": 2}]}),
    _case("values that are templates", _flat(asks=_Q, retrieves={
        "partition_router": listed("{{ config['r'] }}", "y")}), config={"r": "x"}),
    _case("no values", _flat(retrieves={"partition_router": listed()})),
    _case("a key that is a template", _flat(
        asks={"request_parameters": {"q": "{{ stream_partition.get('named') }}"}},
        retrieves={"partition_router": listed("x", name="{{ config['k'] }}")}),
        config={"k": "named"}),
    _case("a value in the path and in a text", _flat(
        path="/a-{{ stream_slice['region'] }}/b", asks={"request_headers": {
            "X-R": "r={{ stream_slice.region }}"}},
        retrieves={"partition_router": listed("x", "0012")}), headers=("x-r",)),
    _case("a product of three", _flat(retrieves={"partition_router": [
        listed("x", "y", request_option=option("a")),
        listed("1", "2", name="n", request_option=option("b")),
        listed("p", name="m", request_option=option("c"))]})),
    _case("a product with one key twice", _flat(
        asks={"request_parameters": {"q": "{{ stream_partition.region }}"}},
        retrieves={"partition_router": [listed("x", "y"), listed("1", "2")]})),
    _case("a product with one option twice", _flat(retrieves={"partition_router": [
        listed("x", request_option=option("a")),
        listed("1", name="n", request_option=option("a"))]})),
    _case("a product with nothing", _flat(retrieves={"partition_router": [
        listed("x"), listed(name="n")]})),
]  # fmt: skip

_PATHS = [
    _case(f"key {key}", _child(substream(parent(PARENTS, key=key))), api=_api(_WHOLE))
    for key in ("id", "n/deep", "n/list/0", "n/*", "tags", "x", "gone", "null", "n")
]
_FIELDS = [
    _case("falsy keys as options", _flat(retrieves={"partition_router": substream(
        parent(PARENTS, request_option=option("pid")))}), api=_api(_WHOLE)),
    _case("a key as a header", _flat(retrieves={"partition_router": substream(
        parent(PARENTS, request_option=option("X-Pid", "header")))}), headers=("x-pid",)),
    _case("a key in the body", _flat(asks={"http_method": "POST"}, retrieves={
        "partition_router": substream(parent(PARENTS, request_option={
            "type": "RequestOption", "inject_into": "body_json",
            "field_path": ["where", "id"]}))})),
    _case("a field that is a template", _flat(
        path="/p/{{ stream_partition.get('named') }}",
        retrieves={"partition_router": substream(
            parent(PARENTS, key="{{ config['k'] }}", field="{{ config['f'] }}"))}),
        config={"k": "id", "f": "named"}),
    _case("extra fields that are missing", _child(
        substream(parent(PARENTS, extra_fields=[["x"], ["gone"], ["n", "deep"]])),
        asks={"request_parameters": {
            "x": "{{ stream_slice.extra_fields['x'] }}",
            "g": "{{ stream_slice.extra_fields.get('gone') }}",
            "d": "{{ stream_slice.extra_fields['n.deep'] }}"}})),
    _case("extra fields by name", _child(
        substream(parent(PARENTS, extra_fields=[["x"]])),
        asks={"request_parameters": {"x": "{{ x }}"}})),
    _case("extra fields of objects", _child(
        substream(parent(PARENTS, extra_fields=[["n"]])),
        asks={"request_parameters": {"x": "{{ stream_slice.extra_fields['n']['deep'] }}"}})),
    _case("extra fields in records", _child(
        substream(parent(PARENTS, extra_fields=[["x"], ["n", "deep"]])),
        transformations=[{"type": "AddFields", "fields": [
            {"path": ["x"], "value": "{{ stream_slice.extra_fields['x'] }}"},
            {"path": ["d"], "value": "{{ stream_slice.extra_fields['n.deep'] }}"},
            {"path": ["p"], "value": "{{ stream_partition['pid'] }}"},
            {"path": ["s"], "value": "{{ stream_slice['parent_slice'] }}"}]}])),
    _case("the partition in a filter", _child(_SUB, selects={"record_filter": {
        "type": "RecordFilter", "condition": "{{ stream_partition.pid == 'a' }}"}})),
    _case("the partition in a page token", _child(_SUB, retrieves={"paginator": {
        "type": "DefaultPaginator", "page_token_option": option("c"), "pagination_strategy": {
            "type": "CursorPagination",
            "cursor_value": "{{ stream_partition.pid ~ '2' }}",
            "stop_condition": "{{ last_page_size == 0 or 'c' in last_record.id }}"}}})),
    _case("a parent that is changed", _child(substream(parent(stream(
        "parents", path="/parents", transformations=[{"type": "AddFields", "fields": [
            {"path": ["key"], "value": "k-{{ record.id }}"}]}]), key="key")))),
    _case("a parent of pages", _child(substream(parent(stream(
        "parents", path="/parents", retrieves={"paginator": {
            "type": "DefaultPaginator", "page_token_option": option("page"),
            "pagination_strategy": {"type": "PageIncrement", "page_size": 1}}})))),
        api=lambda: lambda a: (
            {"data": [{"id": f"p{a.params.get('page', 0)}"}] if a.params.get("page") != "2" else []}
            if a.path == "/parents" else {"data": [{"id": a.path}]})),
    _case("parents of another list", _child(substream(parent(stream(
        "parents", path="/parents", retrieves={"partition_router": listed(
            "x", "y", request_option=option("r"))})))),
        api=lambda: lambda a: (
            {"data": [{"id": f"{a.params['r']}1"}]} if a.path == "/parents"
            else {"data": [{"id": a.path}]})),
    _case("two parents with fields of their own", _flat(
        path="/k/{{ stream_partition.get('pid') }}-{{ stream_partition.get('oid') }}",
        retrieves={"partition_router": substream(
            parent(PARENTS, request_option=option("p")),
            parent(stream("others", path="/others"), field="oid", request_option=option("o")))}),
        api=lambda: lambda a: {"data": [{"id": a.path}]}),
    _case("a product of two parents", _flat(
        path="/k/{{ stream_partition.pid }}/{{ stream_partition.oid }}",
        retrieves={"partition_router": [
            substream(parent(PARENTS)),
            substream(parent(stream("others", path="/others"), field="oid"))]}),
        api=lambda: lambda a: {"data": [{"id": f"{a.path.strip('/')}-1"}, {"id": "2"}]}),
    _case("a group over a list", _flat(
        asks={"request_parameters": {"ids": "{{ stream_slice['region'] | join('|') }}"}},
        retrieves={"partition_router": {
            "type": "GroupingPartitionRouter", "group_size": 2,
            "underlying_partition_router": listed("x", "y", "x", "z")}})),
    _case("a group with extra fields", _flat(
        asks={"request_parameters": {
            "ids": "{{ stream_slice['pid'] | join('|') }}",
            "x": "{{ stream_slice.extra_fields['x'] }}"}},
        retrieves={"partition_router": {
            "type": "GroupingPartitionRouter", "group_size": 2,
            "underlying_partition_router": substream(parent(PARENTS, extra_fields=[["x"]]))}})),
    _case("a group in a body", _flat(
        asks={"http_method": "POST", "request_body_json": {"ids": "{{ stream_slice['pid'] }}"}},
        retrieves={"partition_router": {
            "type": "GroupingPartitionRouter", "group_size": 10,
            "underlying_partition_router": _SUB}})),
    _case("lazy, without pages", _child(
        substream(parent(PARENTS, lazy_read_pointer=["kids"])), at=("data",)),
        api=_api([{"id": "a", "kids": {"data": [{"id": 1}]}}, {"id": "b", "kids": {"data": []}}])),
    _case("lazy, of lists", _child(
        substream(parent(PARENTS, lazy_read_pointer=["kids"])), at=()),
        api=_api([{"id": "a", "kids": [{"id": 1}]}, {"id": "b", "kids": []}])),
    _case("lazy, where nothing is there", _child(
        substream(parent(PARENTS, lazy_read_pointer=["kids"])), at=("data",)),
        api=_api([{"id": "a"}, {"id": "b", "kids": {"data": [{"id": 2}]}}])),
    _case("three levels with the keys of all", stream(
        "grand", path="/g/{{ stream_partition.mid }}",
        asks={"request_parameters": {
            "a": "{{ stream_partition.parent_slice.pid }}",
            "b": "{{ stream_slice.parent_slice['pid'] }}"}},
        retrieves={"partition_router": substream(parent(_child(
            _SUB, name="mids", path="/m/{{ stream_partition.pid }}"), field="mid"))}),
        api=lambda: lambda a: {"data": [{"id": f"{a.path[-1]}"}]}),
]  # fmt: skip

_UPDATED = stream("parents", path="/parents", incremental_sync=cursor())
_STATED = [
    _case("a grandchild with a cursor", stream(
        "grand", path="/g/{{ stream_partition.mid }}", incremental_sync=cursor(),
        retrieves={"partition_router": substream(parent(_child(
            _SUB, name="mids", path="/m/{{ stream_partition.pid }}"), field="mid"))}),
        api=lambda: lambda a: (
            _kids(a) if a.path.startswith("/g") else {"data": [{"id": a.path[-1]}]}),
        twice=True),
    _case("a cursor and a list, three levels", _child(
        [listed("x", "y", request_option=option("r")), _SUB], incremental_sync=cursor()),
        api=_api(None, _kids), twice=True),
    _case("a union with a cursor", _child({
        "type": "UnionPartitionRouter", "partition_field": "pid",
        "partition_routers": [listed("a", "z", name="pid"), _SUB]}, incremental_sync=cursor()),
        api=_api(None, _kids), twice=True),
    _case("a cursor by the parent's time", _child(
        substream(parent(_UPDATED, incremental_dependency=True)),
        incremental_sync=cursor(is_client_side_incremental=True)),
        api=_api(None, _kids), twice=True),
    _case("one cursor for all, client side", _child(_SUB, incremental_sync=cursor(
        global_substream_cursor=True, is_client_side_incremental=True)),
        api=_api(None, _kids), twice=True),
    _case("one cursor for all, in windows", _child(_SUB, incremental_sync=cursor(
        global_substream_cursor=True, step="P4D", cursor_granularity="P1D")),
        api=_api(None, _kids), twice=True),
    _case("one cursor for all, with a lookback", _child(_SUB, incremental_sync=cursor(
        global_substream_cursor=True, lookback_window="P2D")), api=_api(None, _kids), twice=True),
    _case("one cursor for all, by parents that follow theirs", _child(
        substream(parent(_UPDATED, incremental_dependency=True)),
        incremental_sync=cursor(global_substream_cursor=True)),
        api=_api(None, _kids), twice=True),
    _case("a feed below parents", _child(_SUB, incremental_sync=cursor(is_data_feed=True)),
        api=_api(None, lambda a: {"data": _kids(a)["data"][::-1]}), twice=True),
    _case("a parent that follows its cursor, below a parent", _child(
        substream(parent(_child(_SUB, name="mids", path="/m/{{ stream_partition.pid }}",
                                incremental_sync=cursor()), incremental_dependency=True)),
        incremental_sync=cursor()),
        api=lambda: lambda a: (
            {"data": [{"id": "a"}, {"id": "b"}]} if a.path == "/parents" else
            {"data": [{"id": f"m{a.path[-1]}", "at": "2024-01-04"}]} if a.path[:3] == "/m/"
            else _kids(a)), twice=True),
]  # fmt: skip


def _window(name: str, state: Any = None, **parts: Any) -> Case:
    asks = parts.pop("asks", {})
    wanted = {k: v for k, v in cursor(**parts).items() if v is not None}
    made = stream(incremental_sync=wanted, asks=asks)
    states = tuple(as_messages({"items": state})) if state else ()
    config = {
        "start": "2024-01-03",
        "days": 3,
        "iso": "2024-01-03T04:05:06.789Z",
        "num": 1704240000,
    }

    def answer(asked: Asked) -> Reply:
        low, high = asked.params.get("since", ""), asked.params.get("until", "~")
        days = ["2024-01-01", "2024-01-04", "2024-01-06", "2024-01-09"]
        return Reply(body={"data": [{"at": d} for d in days if low <= d <= high]})

    return case(
        f"window, {name}", made, api=lambda: answer, state=states, config=config, twice=True
    )


def _bound(value: str, **parts: Any) -> dict[str, Any]:
    return {"type": "MinMaxDatetime", "datetime": value, **parts}


_WINDOWS = [
    _window("start by a template", start_datetime="{{ config['start'] }}"),
    _window("start by an iso text", start_datetime=_bound(
        "{{ config['iso'] }}", datetime_format="%Y-%m-%dT%H:%M:%S.%fZ")),
    _window("start by a number", start_datetime=_bound(
        "{{ config['num'] }}", datetime_format="%s")),
    _window("start by a calculation", start_datetime=
            "{{ day_delta(-165, format='%Y-%m-%d') }}"),
    _window("start by a macro", start_datetime=
            "{{ format_datetime(config['iso'], '%Y-%m-%d') }}"),
    _window("start by an or", start_datetime="{{ config.get('gone') or '2024-01-05' }}"),
    _window("start beyond the end", start_datetime="2024-02-01"),
    _window("start at the end", start_datetime="2024-01-10"),
    _window("start at the end, with a step", start_datetime="2024-01-10", step="P1D",
            cursor_granularity="P1D"),
    _window("no end", end_datetime=None, step="P3M", cursor_granularity="P1D"),
    _window("an end with bounds", end_datetime=_bound(
        "2024-01-10", max_datetime="2024-01-07")),
    _window("a start with both bounds", start_datetime=_bound(
        "2023-01-10", min_datetime="2024-01-02", max_datetime="{{ today_utc() }}",
        datetime_format="%Y-%m-%d")),
    _window("bounds by templates", start_datetime=_bound(
        "{{ config['start'] }}", min_datetime="{{ day_delta(-163, '%Y-%m-%d') }}")),
    _window("a step by a template", step="P{{ config['days'] }}D", cursor_granularity="P1D"),
    _window("a step in hours", step="PT36H", cursor_granularity="PT1H"),
    _window("a step of weeks and days", step="P1W", cursor_granularity="P1D"),
    _window("a step of a year", step="P1Y", cursor_granularity="P1D"),
    _window("a step of months and days", step="P1M2D", cursor_granularity="P1D"),
    _window("a granularity finer than the format", step="P3D", cursor_granularity="PT1S"),
    _window("a granularity as long as the step", step="P3D", cursor_granularity="P3D"),
    _window("a granularity of months", step="P2M", cursor_granularity="P1M"),
    _window("a lookback by a template", {"at": "2024-01-06"},
            lookback_window="P{{ config['days'] }}D"),
    _window("a lookback of nothing", {"at": "2024-01-06"}, lookback_window=""),
    _window("a lookback by a template of nothing", {"at": "2024-01-06"},
            lookback_window="{{ config.get('gone', '') }}"),
    _window("a lookback of hours", {"at": "2024-01-06"}, lookback_window="PT36H"),
    _window("a lookback before the start", {"at": "2024-01-02"}, lookback_window="P10D"),
    _window("a lookback in seconds", {"at": "2024-01-06"}, lookback_window="PT90000S"),
    _window("a state of another form that may be", {"at": "2024-01-06T00:00:00Z"},
            cursor_datetime_formats=[_ISO]),
    _window("an empty state", {}),
    _window("only a start is sent", end_time_option=None),
    _window("only an end is sent", start_time_option=None),
    _window("both in the body", asks={"http_method": "POST"}, start_time_option={
        "type": "RequestOption", "inject_into": "body_json", "field_path": ["w", "from"]},
        end_time_option={"type": "RequestOption", "inject_into": "body_json",
                         "field_path": ["w", "to"]}),
    _window("both in one text", start_time_option=None, end_time_option=None, asks={
        "request_parameters": {
            "q": "at>={{ stream_interval['start_time'] }} and at<{{ stream_slice.end_time }}"}}),
    _window("a bound in another form", start_time_option=None, asks={"request_parameters": {
        "since": "{{ format_datetime(stream_interval['start_time'], '%Y-%m-%d') }}",
        "t": "{{ timestamp(stream_interval['start_time']) | int }}"}}),
    _window("a bound with an offset", asks={"request_parameters": {
        "x": "{{ (str_to_datetime(stream_slice['end_time'])"
             " + duration('P1D')).strftime('%s') }}"}}),
    _window("names by a template", partition_field_start="{{ config.get('n', 'from') }}",
            asks={"request_parameters": {"x": "{{ stream_slice.get('from', 'none') }}"}}),
    _window("clamped to days", clamping={"target": "DAY"}, step="P3D", cursor_granularity="P1D"),
    _window("clamped by a template", clamping={"target": "{{ 'WEEK' }}", "target_details": {
        "weekday": "WEDNESDAY"}}, step="P7D", cursor_granularity="P1D"),
    _window("clamped to months that are too short", clamping={"target": "MONTH"}, step="P1M",
            cursor_granularity="P1D"),
]  # fmt: skip


def _spelled(name: str, form: str, values: list[Any], state: Any = None, **parts: Any) -> Case:
    """A cursor of one form, its bounds given in plain days."""
    made = stream(
        incremental_sync=cursor(
            datetime_format=form,
            start_datetime=_bound("2024-01-01", datetime_format="%Y-%m-%d"),
            end_datetime=_bound("2024-01-10", datetime_format="%Y-%m-%d"),
            **parts,
        )
    )
    states = tuple(as_messages({"items": {"at": state}})) if state else ()
    return case(
        f"form, {name}",
        made,
        api=lambda: lambda _: {"data": [{"at": v} for v in values]},
        state=states,
        twice=True,
    )


_FORMS = [
    _spelled("seconds as numbers", "%s", [1704240000, 1704326400.7], 1704153600),
    _spelled("seconds as texts", "%s", ["1704240000"], "1704153600"),
    _spelled("milliseconds as numbers", "%ms", [1704240000123], "1704153600000"),
    _spelled("floats", "%s_as_float", [1704240000.25], "1704153600.5"),
    _spelled("microseconds", "%epoch_microseconds", [1704240000000001]),
    _spelled("milliseconds in a pattern", "%Y-%m-%dT%H:%M:%S.%_msZ", ["2024-01-03T01:02:03.456Z"],
             "2024-01-02T00:00:00.000Z"),
    _spelled("a zone with a colon", "%Y-%m-%dT%H:%M:%S%z", ["2024-01-03T01:02:03+02:00"]),
    _spelled("a zone by name", "%Y-%m-%dT%H:%M:%S %Z", ["2024-01-03T01:02:03 UTC"]),
    _spelled("words", "%d %b %Y", ["03 Jan 2024"]),
    _spelled("a day of the year", "%Y%j", ["2024003"]),
    _spelled("slashes", "%m/%d/%Y %H:%M", ["01/03/2024 04:05"]),
    _spelled("am and pm", "%Y-%m-%d %I:%M %p", ["2024-01-03 04:05 PM"]),
    _spelled("two digits", "%y-%m-%d", ["24-01-03"]),
    _spelled("months", "%Y-%m", ["2024-01"], step="P1M", cursor_granularity="P1M"),
    _spelled("years", "%Y", ["2024"]),
    _spelled("a literal", "%Y-%m-%dT00:00:00Z", ["2024-01-03T00:00:00Z"]),
    _spelled("further forms first", "%Y-%m-%d", ["2024-01-03T01:02:03Z", "2024-01-04", "x"],
             cursor_datetime_formats=[_ISO, "%Y-%m-%d"]),
    _spelled("further forms without its own", "%s", ["2024-01-03T01:02:03Z", 1704412800],
             cursor_datetime_formats=[_ISO]),
    _spelled("booleans and lists", "%Y-%m-%d", [True, ["2024-01-03"], {"a": 1}, "2024-01-02"]),
]  # fmt: skip

CASES = [*_LISTS, *_PATHS, *_FIELDS, *_STATED, *_WINDOWS, *_FORMS]
