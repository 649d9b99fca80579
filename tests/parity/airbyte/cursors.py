"""Cursors: windows, formats, states; read once, and once more from the state of the first run."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, stream
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages

_DAYS = ["2024-01-01", "2024-01-04", "2024-01-06", "2024-01-09"]
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def cursor(**parts: Any) -> dict[str, Any]:
    """A cursor of ten days in January."""
    return {
        "type": "DatetimeBasedCursor",
        "cursor_field": "at",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": "2024-01-01",
        "end_datetime": "2024-01-10",
        "start_time_option": option("since"),
        "end_time_option": option("until"),
        **parts,
    }


def _between(values: list[Any]) -> Any:
    """An API that gives the records between the bounds, as texts compare."""

    def answer(asked: Asked) -> Reply:
        low, high = asked.params.get("since", ""), asked.params.get("until", "~")
        kept = [v for v in values if low <= str(v) <= high]
        return Reply(body={"data": [{"id": i, "at": v} for i, v in enumerate(kept)]})

    return lambda: answer


def _case(name: str, values: list[Any] = _DAYS, state: Any = None, **parts: Any) -> Case:
    more = {
        k: parts.pop(k)
        for k in ("api", "config", "asks", "retrieves", "transformations")
        if k in parts
    }
    made = stream(
        incremental_sync=cursor(**parts),
        **{k: more.pop(k) for k in ("asks", "retrieves", "transformations") if k in more},
    )
    states = tuple(as_messages({"items": state})) if state else ()
    return case(name, made, **{"api": _between(values), **more}, state=states, twice=True)


def _formats() -> list[Case]:
    spelled = {
        "%s": ["1704067200", "1704326400"],
        "%ms": ["1704067200000", "1704326400000"],
        "%s_as_float": ["1704067200.0", "1704326400.5"],
        "%epoch_microseconds": ["1704067200000000", "1704326400000000"],
        _ISO: ["2024-01-01T00:00:00Z", "2024-01-04T05:06:07Z"],
        "%Y-%m-%dT%H:%M:%S.%f%z": [
            "2024-01-01T00:00:00.000000+0000",
            "2024-01-04T05:06:07.120000+0000",
        ],
        "%Y-%m-%dT%H:%M:%S.%_msZ": ["2024-01-01T00:00:00.000Z", "2024-01-04T05:06:07.123Z"],
        "%Y%m%d": ["20240101", "20240104"],
        "%Y-%m-%d %H:%M:%S": ["2024-01-01 00:00:00", "2024-01-04 01:00:00"],
        "%Y-%m-%dT%H:%M:%S%z": ["2024-01-01T00:00:00+0000", "2024-01-04T05:06:07+0200"],
    }
    made = []
    for spelling, values in spelled.items():
        for step in (None, "P3D"):
            more = {"step": step, "cursor_granularity": "PT1S"} if step else {}
            bounds = {
                "start_datetime": {
                    "type": "MinMaxDatetime",
                    "datetime": "2024-01-01",
                    "datetime_format": "%Y-%m-%d",
                },
                "end_datetime": {
                    "type": "MinMaxDatetime",
                    "datetime": "2024-01-10",
                    "datetime_format": "%Y-%m-%d",
                },
            }
            made.append(
                _case(
                    f"format {spelling} step {step}",
                    values,
                    datetime_format=spelling,
                    **bounds,
                    **more,
                )
            )
    return made


def _steps() -> list[Case]:
    made = []
    for step, granularity in (
        ("P1D", "P1D"),
        ("P3D", "P1D"),
        ("P1W", "P1D"),
        ("P1M", "P1D"),
        ("P10D", "P1D"),
        ("P30D", "P1D"),
        ("P1Y", "P1D"),
        ("P2D", "PT1S"),
    ):
        for state in (None, "2024-01-06", "2024-01-10", "2024-02-01", "2023-12-01"):
            held = {"at": state} if state else None
            made.append(
                _case(
                    f"step {step} {granularity} state {state}",
                    state=held,
                    step=step,
                    cursor_granularity=granularity,
                )
            )
    return made


def _lookbacks() -> list[Case]:
    return [
        _case(
            f"lookback {back} step {step} state {state}",
            state={"at": state} if state else None,
            lookback_window=back,
            **({"step": step, "cursor_granularity": "P1D"} if step else {}),
        )
        for back in ("P2D", "P1M")
        for step in (None, "P3D")
        for state in (None, "2024-01-06")
    ]


def _clamps() -> list[Case]:
    return [
        _case(
            f"clamp {target} state {state}",
            start_datetime=start,
            end_datetime=end,
            step=step,
            cursor_granularity="P1D",
            state={"at": state} if state else None,
            clamping={
                "target": target,
                **({"target_details": {"weekday": "MONDAY"}} if target == "WEEK" else {}),
            },
        )
        for target, start, end, step in (
            ("MONTH", "2024-01-15", "2024-04-10", "P1M"),
            ("WEEK", "2024-01-03", "2024-01-25", "P7D"),
            ("DAY", "2024-01-01", "2024-01-04", "P1D"),
        )
        for state in (None, "2024-01-17")
    ]


def _failing() -> Case:
    def answer(asked: Asked) -> Reply:
        since = asked.params["since"]
        if since == "2024-01-04":
            return Reply(status=404, body={"error": "gone"})
        return Reply(body={"data": [{"id": since, "at": since}]})

    return _case(
        "a window in the middle fails", api=lambda: answer, step="P3D", cursor_granularity="P1D"
    )


_RANGE = {
    "state_type": "date-range",
    "slices": [
        {"start": "2024-01-01", "end": "2024-01-03", "most_recent_cursor_value": "2024-01-02"},
        {"start": "2024-01-07", "end": "2024-01-08", "most_recent_cursor_value": "2024-01-08"},
    ],
}


def _count(name: str, state: Any = None, **parts: Any) -> Case:
    made = {
        "type": "IncrementingCountCursor",
        "cursor_field": "id",
        "start_value": 0,
        "start_value_option": option("since"),
        **parts,
    }
    states = tuple(as_messages({"items": state})) if state else ()

    def answer(asked: Asked) -> Reply:
        low = int(asked.params.get("since", 0))
        return Reply(body={"data": [{"id": i} for i in (3, 9, 5) if i >= low]})

    return case(name, stream(incremental_sync=made), api=lambda: answer, state=states, twice=True)


_PAGES = {
    "type": "DefaultPaginator",
    "pagination_strategy": {"type": "PageIncrement", "page_size": 2},
    "page_token_option": option("page"),
}


def _feed(name: str, state: str | None, **parts: Any) -> Case:
    days = ["2024-01-09", "2024-01-08", "2024-01-05", "2024-01-04", "2024-01-02", "2024-01-01"]

    def answer(asked: Asked) -> Reply:
        page = int(asked.params.get("page", 0))
        return Reply(body={"data": [{"at": d} for d in days[page * 2 : page * 2 + 2]]})

    return _case(
        name,
        api=lambda: answer,
        state={"at": state} if state else None,
        retrieves={"paginator": _PAGES},
        **parts,
    )


CASES = [
    _case("no step"),
    _case("no step, no records", []),
    _case("header options", start_time_option=option("X-Since", "header")),
    *_formats(),
    *_steps(),
    *_lookbacks(),
    *_clamps(),
    _failing(),
    _case(
        "strict, state at the end",
        state={"at": "2024-01-10"},
        step="P3D",
        cursor_granularity="P1D",
        is_compare_strictly=True,
    ),
    _case("date range", state=_RANGE, step="P3D", cursor_granularity="P1D"),
    _case("date range without step", state=_RANGE),
    _case("unreadable values", ["2024-01-02", "soon", None, 5]),
    _case(
        "values beyond the end",
        api=lambda: lambda _: {"data": [{"at": "2024-03-01"}, {"at": "2023-01-01"}]},
    ),
    _case(
        "further formats",
        api=lambda: lambda _: {"data": [{"at": "2024-01-03T01:00:00Z"}, {"at": 1704412800}]},
        cursor_datetime_formats=[_ISO, "%s"],
    ),
    _case(
        "names of bounds",
        partition_field_start="from",
        partition_field_end="to",
        start_time_option=option("since"),
        asks={
            "request_parameters": {
                "x": "{{ stream_interval['from'] }}",
                "y": "{{ stream_slice.to }}",
            }
        },
    ),
    _case(
        "bounds in templates",
        asks={
            "request_parameters": {
                "x": "{{ stream_interval['start_time'] }}",
                "y": "{{ stream_interval.end_time }}",
            }
        },
    ),
    _case(
        "bounds in records",
        transformations=[
            {
                "type": "AddFields",
                "fields": [{"path": ["w"], "value": "{{ stream_interval['start_time'] }}"}],
            }
        ],
    ),
    _case(
        "start from config", config={"start": "2024-01-05"}, start_datetime="{{ config['start'] }}"
    ),
    _case(
        "start limited",
        config={"start": "2020-01-05"},
        start_datetime={
            "type": "MinMaxDatetime",
            "datetime": "{{ config['start'] }}",
            "min_datetime": "2024-01-03",
        },
    ),
    _case(
        "end now",
        end_datetime="{{ now_utc().strftime('%Y-%m-%d') }}",
        step="P3M",
        cursor_granularity="P1D",
    ),
    _case(
        "client side",
        api=lambda: lambda _: {"data": [{"at": d} for d in _DAYS]},
        state={"at": "2024-01-04"},
        is_client_side_incremental=True,
    ),
    _case(
        "client side with lookback",
        api=lambda: lambda _: {"data": [{"at": d} for d in _DAYS]},
        state={"at": "2024-01-06"},
        is_client_side_incremental=True,
        lookback_window="P3D",
    ),
    _feed("feed", None, is_data_feed=True),
    _feed("feed with state", "2024-01-05", is_data_feed=True),
    _count("count"),
    _count("count with state", {"id": 4}),
    _count("count from", start_value=4),
]
