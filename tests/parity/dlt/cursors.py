"""Cases of incremental loading: its spellings, its options, and the ways of writing rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.parity.dlt.data import Parts, Record, answer, config, resource
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.server import Ask, Reply

WRITES = ("append", "replace", "merge")


def events(which: int) -> list[Record]:
    """Events in the order of time; in the second run some are new and two are newer than before."""
    held = [{"id": n, "at": 100 + 10 * n, "what": f"event {n}"} for n in range(1, 13)]
    if which > 1:
        held[3] |= {"at": 300, "what": "event 4, changed"}
        held[7] |= {"at": 310, "what": "event 8, changed"}
        held += [{"id": n, "at": 310 + 10 * n, "what": f"event {n}"} for n in (13, 14)]
    return sorted(held, key=lambda e: e["at"])


def times(which: int) -> list[Record]:
    """The same with a time of the day for the cursor."""
    return [{**e, "at": f"2024-03-01T{e['at'] // 60:02d}:{e['at'] % 60:02d}:00Z"}
            for e in events(which)]  # fmt: skip


def _after(ask: Ask, held: list[Record], since: Any, until: Any = None) -> Reply:
    """The events in a range, all of them where the request names none."""
    kind = type(held[0]["at"])
    kept = [e for e in held if not since or e["at"] >= kind(since)]
    kept = [e for e in kept if not until or e["at"] < kind(until)]
    return answer(kept)


def _api(ask: Ask) -> Reply:
    said = ask.json or {}
    since = ask.param("since") or said.get("since") or ask.headers.get("x-since")
    until = ask.param("until") or said.get("until")
    return _after(ask, events(ask.round), since, until)


def _times_api(ask: Ask) -> Reply:
    return _after(ask, times(ask.round), ask.param("since"), ask.param("until"))


SPELLINGS: dict[str, Parts] = {
    "params": {"params": {"since": {"type": "incremental"}}},
    "endpoint": {"incremental": {"start_param": "since"}},
    "query template": {"incremental": {}, "params": {"since": "{incremental.start_value}"}},
    "body template": {"incremental": {}, "method": "POST",
                      "json": {"since": "{incremental.start_value}", "kind": "x"}},
    "header template": {"incremental": {}, "headers": {"X-Since": "{incremental.start_value}"}},
    "path template": {"incremental": {}, "path": "events?since={incremental.last_value}"},
}  # fmt: skip

OPTIONS: dict[str, Parts] = {
    "": {},
    "open start": {"range_start": "open"},
    "lag": {"lag": 30},
    "key": {"primary_key": "id"},
    "no key": {"primary_key": []},
    "end": {"end_value": 180},
    "closed end": {"end_value": 180, "range_end": "closed"},
    "ascending": {"row_order": "asc"},
    "first is 130": {"initial_value": 130},
}


LAGGED = ("records within the `lag` that did not change",)


def _looked_back(theirs: list[Outcome], ours: list[Outcome]) -> None:
    """Dlt appends what it looks back at once more in every run."""
    seen = ours[1].rows("events", "id", "at")
    assert len(seen) == len(set(seen))
    assert set(theirs[1].rows("events", "id", "at")) == set(seen)
    assert len(theirs[1].rows("events", "id")) > len(seen)
    assert theirs[1].asked() == ours[1].asked()


DOUBLED: Parts = {"differs": LAGGED, "check": _looked_back}


def _endpoint(spelling: str, options: Parts) -> Parts:
    said = SPELLINGS[spelling]
    settings = {"cursor_path": "at", "initial_value": 100, **options}
    endpoint = {"path": "events", "data_selector": "data", "paginator": "single_page", **said}
    if "incremental" in said:
        return {**endpoint, "incremental": {**said["incremental"], **settings}}
    return {**endpoint, "params": {"since": {"type": "incremental", **settings}}}


def _written(write: str) -> Parts:
    return {"write_disposition": write, **({"primary_key": "id"} if write == "merge" else {})}


def _spelled() -> Iterator[Case]:
    for spelling, (option, settings), write in product(SPELLINGS, OPTIONS.items(), WRITES):
        if spelling == "params" and "end_value" in settings:
            continue  # refused: see the cases of what is wrong
        if spelling not in {"params", "endpoint", "query template"} and write == "replace":
            continue
        endpoint = _endpoint(spelling, settings)
        name = ", ".join(w for w in ("incremental", spelling, option, write) if w)
        yield Case(
            name=name,
            config=lambda base, e=endpoint, w=write: config(
                base, resource("events", e, **_written(w))
            ),
            api=_api,
            **(DOUBLED if option == "lag" and write == "append" else {}),
        )


def _single(
    name: str, endpoint: Parts, api: Any = _api, case: Parts | None = None, **more: Any
) -> Case:
    rest = {"write_disposition": "append", **more}
    whole = {"path": "events", "data_selector": "data", "paginator": "single_page", **endpoint}
    return Case(name=name, config=lambda base: config(base, resource("events", whole, **rest)),
                api=api, **(case or {}))  # fmt: skip


def _odd() -> Iterator[Case]:
    since = {"start_param": "since", "cursor_path": "at"}
    timed = {**since, "initial_value": "2024-03-01T01:00:00Z"}
    yield _single("times", {"incremental": timed}, _times_api)
    yield _single("times with a lag", {"incremental": {**timed, "lag": 3600}}, _times_api,
                  case=DOUBLED)  # fmt: skip
    yield _single("times with an end",
                  {"incremental": {**timed, "end_value": "2024-03-01T03:00:00Z",
                                   "end_param": "until"}}, _times_api)  # fmt: skip
    yield _single("times, merged", {"incremental": timed}, _times_api,
                  write_disposition="merge", primary_key="id")  # fmt: skip
    yield _single("no first value", {"incremental": since})
    yield _single("start and end params",
                  {"incremental": {**since, "initial_value": 130, "end_value": 190,
                                   "end_param": "until"}})  # fmt: skip
    yield _single("start and end in templates",
                  {"incremental": {"cursor_path": "at", "initial_value": 130, "end_value": 190},
                   "params": {"since": "{incremental.start_value}",
                              "until": "{incremental.end_value}"}})  # fmt: skip
    yield _single("initial value in a template",
                  {"incremental": {"cursor_path": "at", "initial_value": 130},
                   "params": {"since": "{incremental.start_value}",
                              "from": "{incremental.initial_value}"}})  # fmt: skip
    yield _single("the API ignores the start", {"incremental": {**since, "initial_value": 150}},
                  lambda ask: answer(events(ask.round)))  # fmt: skip
    yield _single("lag never before the first value",
                  {"incremental": {**since, "initial_value": 200, "lag": 500}},
                  case=DOUBLED)  # fmt: skip
    yield from _missing()
    yield from _places()
    yield from _orders()


def _missing() -> Iterator[Case]:
    def holes(ask: Ask) -> Reply:
        held = events(ask.round)
        held[2] = {k: v for k, v in held[2].items() if k != "at"}
        held[4] = {**held[4], "at": None}
        return answer(held)

    for way, write in product(("include", "exclude"), ("append", "merge")):
        said = {"cursor_path": "at", "initial_value": 0, "on_cursor_value_missing": way}
        yield _single(f"cursor missing: {way}, {write}", {"incremental": said}, holes,
                      **_written(write))  # fmt: skip


def _places() -> Iterator[Case]:
    """Where in a record the cursor is, and what it is."""
    forms: dict[str, Any] = {
        "nested.at": lambda e: {"id": e["id"], "nested": {"at": e["at"]}},
        "$.nested.at": lambda e: {"id": e["id"], "nested": {"at": e["at"]}},
        "list[0].at": lambda e: {"id": e["id"], "list": [{"at": e["at"]}]},
        "'odd key'": lambda e: {"id": e["id"], "odd key": e["at"]},
    }
    for path, form in forms.items():
        yield _single(f"cursor at {path}",
                      {"incremental": {"cursor_path": path, "initial_value": 0}},
                      lambda ask, f=form: answer([f(e) for e in events(ask.round)]))  # fmt: skip
    kinds: dict[str, tuple[Any, Any]] = {
        "float": (lambda at: at / 8, 0.0),
        "text": (lambda at: f"v{at}", "v0"),
        "date": (lambda at: f"2024-{at // 28 % 12 + 1:02d}-{at % 28 + 1:02d}", "2023-01-01"),
        "offset time": (lambda at: f"2024-03-01T{at // 60:02d}:{at % 60:02d}:00+02:00",
                        "2024-03-01T00:00:00+02:00"),
        "fraction of a second": (lambda at: f"2024-03-01T00:00:00.{at:06d}Z",
                                 "2024-03-01T00:00:00.000001Z"),
        "local time": (lambda at: f"2024-03-01T{at // 60:02d}:{at % 60:02d}:00",
                       "2024-03-01T00:00:00"),
    }  # fmt: skip
    for kind, (form, first) in kinds.items():
        yield _single(
            f"cursor that is a {kind}",
            {"incremental": {"cursor_path": "at", "initial_value": first, "start_param": "from"}},
            lambda ask, f=form: answer([{**e, "at": f(e["at"])} for e in events(ask.round)]),
        )


def _orders() -> Iterator[Case]:
    """Reading stops where ordered records leave the range."""

    def pages(ask: Ask, *, newest_first: bool) -> Reply:
        held = sorted(events(ask.round), key=lambda e: e["at"], reverse=newest_first)
        start = ask.number("cursor")
        return answer(held[start : start + 3], next=start + 3 if start + 3 < len(held) else None)

    paged = {"paginator": {"type": "cursor", "cursor_path": "next"}}
    for order, first in (("desc", 150), ("asc", 0)):
        said = {"cursor_path": "at", "initial_value": first, "row_order": order}
        yield _single(f"ordered {order}", {**paged, "incremental": said},
                      lambda ask, d=order == "desc": pages(ask, newest_first=d))  # fmt: skip
    said = {"cursor_path": "at", "initial_value": 0, "end_value": 160, "row_order": "asc"}
    yield _single("ordered up to an end", {**paged, "incremental": said},
                  lambda ask: pages(ask, newest_first=False))  # fmt: skip
    for way in ("min", "max"):
        said = {"cursor_path": "at", "initial_value": 180, "last_value_func": way}
        yield _single(f"last value is the {way}", {"incremental": said},
                      lambda ask: answer(events(ask.round)))  # fmt: skip


CASES = [*_spelled(), *_odd()]
