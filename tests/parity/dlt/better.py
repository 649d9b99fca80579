"""Cases in which Penstock parts from dlt on purpose: what each does, and which row tells why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.parity.dlt.data import Parts, Record, answer, config, resource
from tests.parity.dlt.harness import Case, Check, Outcome
from tests.parity.dlt.server import Api, Ask, Reply

Outcomes = list[Outcome]
CURSOR = {"data_selector": "data", "paginator": {"type": "cursor", "cursor_path": "next"}}
DATA = {"data_selector": "data", "paginator": "single_page"}


# W1: children read by a cursor, under a parent of several pages.

LATE = "a cursor on children of several parents"


def _tickets(ask: Ask) -> Reply:
    """Three parents on three pages; the later a parent, the older its children."""
    parts = [p for p in ask.path.split("/") if p]
    if parts == ["parents"]:
        at = ask.number("cursor")
        return answer([{"id": at + 1}], next=at + 1 if at < 2 else None)
    owner = int(parts[1])
    held = [{"id": 10 * owner + n, "at": 1000 - 100 * owner + n} for n in (1, 2)]
    if ask.round > 1:
        held.append({"id": 10 * owner + 3, "at": 1000 - 100 * owner + 3})
    since = ask.number("since")
    return answer([r for r in held if r["at"] >= since])


def _lost_children(theirs: Outcomes, ours: Outcomes) -> None:
    """Dlt binds the start anew for each page of the parent, to the newest value of all."""
    assert theirs[0].rows("children", "id") == [11, 12]
    assert ours[0].rows("children", "id") == [11, 12, 21, 22, 31, 32]
    assert ours[1].rows("children", "id") == [11, 12, 13, 21, 22, 23, 31, 32, 33]
    again = [t for t in ours[1].targets() if "kids" in t]
    assert sorted(again) == [f"/parents/{n}/kids?since={1000 - 100 * n + 2}" for n in (1, 2, 3)]


def _children(name: str, cursor: Parts) -> Case:
    endpoint = {"path": "parents/{resources.parents.id}/kids", **DATA, **cursor}
    return Case(
        name=f"parts: children of a parent of several pages, {name}",
        config=lambda base: config(
            base, resource("parents", CURSOR, write_disposition="replace"),
            resource("children", endpoint, write_disposition="append"),
        ),
        api=_tickets, differs=(LATE,), check=_lost_children,
    )  # fmt: skip


SINCE = {"cursor_path": "at", "initial_value": 0}
W1 = [
    _children("as a param", {"params": {"since": {"type": "incremental", **SINCE}}}),
    _children("of the endpoint", {"incremental": {**SINCE, "start_param": "since"}}),
    _children("in a template", {"incremental": SINCE,
                                "params": {"since": "{incremental.start_value}"}}),
]  # fmt: skip


# W2 and W4: what is detected.


def _numbered(ask: Ask) -> Any:
    number = ask.number("page", 1)
    held = [{"id": n} for n in range(1, 8)]
    return {"items": held[3 * (max(number, 1) - 1) : 3 * max(number, 1)], "total_pages": 3}


def _odata(ask: Ask) -> Any:
    start = ask.number("$skip")
    held = [{"id": n} for n in range(1, 8)]
    more = {"@odata.nextLink": f"{ask.base}/things?$skip={start + 3}"} if start < 4 else {}
    return {"value": held[start : start + 3], **more}


def _beside_errors(_ask: Ask) -> Any:
    return {"errors": [], "users": [{"id": n} for n in range(1, 8)]}


def _all_seven(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].error or theirs[0].rows("things", "id") != list(range(1, 8))
    assert ours[0].rows("things", "id") == list(range(1, 8))


def _found(name: str, api: Api, row: str) -> Case:
    return Case(name=f"parts: detected: {name}", runs=1, api=api, differs=(row,),
                check=_all_seven, config=lambda base: config(base, "things"))  # fmt: skip


DETECTED = [
    _found("pages that begin at 1", _numbered, "pages detected without being named"),
    _found("@odata.nextLink", _odata, "pages detected without being named"),
    _found("a list beside empty errors", _beside_errors, "records beside an empty `errors`"),
]


# W5: a record path that is in no answer.


def _silent(theirs: Outcomes, ours: Outcomes) -> None:
    assert not theirs[0].error
    assert not theirs[0].tables
    assert ours[0].error == "partial"
    assert "record-path-empty" in ours[0].warnings()


MISSED = Case(
    name="parts: a record path that matches nothing", runs=1,
    api=lambda _ask: answer([{"id": 1}], key="renamed"),
    config=lambda base: config(base, resource("things", DATA)),
    differs=("a record path that is in no answer",), check=_silent,
)  # fmt: skip


def _counting(ask: Ask) -> Any:
    held = [{"id": n} for n in range(1, 8)][3 * ask.number("page") :][:3]
    return answer(held, total=len(held) - 1)


COUNTING = Case(
    name="parts: a total that counts no pages", runs=1, api=_counting, check=_all_seven,
    config=lambda base: config(base, resource("things", {
        **DATA, "paginator": "page_number"})),
    differs=("`total` in the answers of a `page_number` that names no `total_path`",),
)  # fmt: skip


def _from_zero(ask: Ask) -> Any:
    held = [{"id": n} for n in range(1, 8)]
    return answer(held[3 * ask.number("nr") :][:3], total=3)


def _from_one(ask: Ask) -> Any:
    number = max(ask.number("nr"), 1)
    return answer([{"id": n} for n in range(1, 8)][3 * (number - 1) : 3 * number], total=3)


def _from_one_alone(ask: Ask) -> Any:
    return _from_one(ask) if ask.number("nr") else Reply(status=400)


def _both_all(theirs: Outcomes, ours: Outcomes) -> None:
    for one in (theirs, ours):
        assert one[0].rows("things", "id") == list(range(1, 8))
    assert [t for t in ours[0].targets() if t.endswith("nr=0")] == ["/things?nr=0"]


def _one_page(name: str, api: Api, check: Check) -> Case:
    return Case(
        name=f"parts: a page param alone, where pages {name}", runs=1, api=api, check=check,
        config=lambda base: config(base, resource("things", {
            **DATA, "paginator": {"type": "page_number", "page_param": "nr"}})),
        differs=("a `page_number` with a `page_param` and nothing else",),
    )  # fmt: skip


UNSAID = [
    _one_page("begin at 0", _from_zero, _both_all),
    _one_page("begin at 1, and 0 is the same", _from_one, _all_seven),
    _one_page("begin at 1, and 0 is refused", _from_one_alone, _all_seven),
]


# W6: values of parents.


def _odd_parents(ask: Ask) -> Any:
    if ask.path == "/parents":
        keys = ["a", None, "b", "a", "x/y"]
        return answer([{"id": n, "key": key} for n, key in enumerate(keys)])
    return answer([{"path": ask.path}])


def _each_once(theirs: Outcomes, ours: Outcomes) -> None:
    asked = [t for t in theirs[0].targets() if "kids" in t]
    assert sorted(asked) == ["/p/None/kids", "/p/a/kids", "/p/a/kids", "/p/b/kids", "/p/x/y/kids"]
    mine = [t for t in ours[0].targets() if "kids" in t]
    assert sorted(mine) == ["/p/a/kids", "/p/b/kids", "/p/x%2Fy/kids"]


NULL_PARENT = "a parent with a null in a field that its children are asked with, any of them"
PARENTS = Case(
    name="parts: null, repeated and slashed parents", runs=1, api=_odd_parents,
    config=lambda base: config(
        base, resource("parents", DATA),
        resource("kids", {**DATA, "path": "p/{resources.parents.key}/kids"}),
    ),
    differs=("values put into a path", NULL_PARENT, "a parent that comes twice"),
    check=_each_once,
)  # fmt: skip


def _repositories(ask: Ask) -> Any:
    """An API as GitHub's: a name has two segments, and where they are one there is nothing."""
    if ask.path == "/parents":
        return answer([{"id": n, "full_name": f"acme/r{n}"} for n in range(3)])
    if "%2F" in ask.path:
        return Reply(status=404, body={"message": "Not Found"})
    page = ask.number("cursor", 1)
    return answer([{"id": f"{ask.path[7:]} {page}"}], next=2 if page == 1 else None)


def _as_written(theirs: Outcomes, ours: Outcomes) -> None:
    ids = [f"acme/r{n}/issues {page}" for n in range(3) for page in (1, 2)]
    assert theirs[0].rows("issues", "id") == ours[0].rows("issues", "id") == ids
    mine = Counter(path.partition("?")[0] for path in ours[0].targets())
    assert all(mine[f"/repos/acme/r{n}/issues"] == 2 for n in range(3))
    spelled = [path for path in mine if "%2F" in path]
    assert 1 <= len(spelled) <= 3  # each that was asked for before the first was answered
    assert all(mine[path] == 1 for path in spelled)


SEGMENTS = Case(
    name="parts: a parent whose name has a slash, where 404 is ignored", runs=1,
    api=_repositories, check=_as_written,
    config=lambda base: config(
        base, resource("parents", DATA),
        resource("issues", {
            "path": "repos/{resources.parents.full_name}/issues", **CURSOR,
            "response_actions": [{"status_code": 404, "action": "ignore"}],
        }),
    ),
    differs=("values put into a path",),
)  # fmt: skip


def _bases(ask: Ask) -> Any:
    """A list at a path that ends in the parent, in two pages; and one thing at such a path."""
    if ask.path == "/parents":
        return answer([{"id": "a"}, {"id": "b"}])
    if ask.path.startswith("/thing/"):
        return answer([{"id": ask.path[-1]}])
    page = ask.number("cursor", 1)
    return answer([{"id": f"{ask.path[-1]}{page}"}], next=2 if page == 1 else None)


def _pages_of_a_thing(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].rows("records", "id") == ["a1", "b1"]
    assert ours[0].rows("records", "id") == ["a1", "a2", "b1", "b2"]
    for ways in (theirs, ours):
        assert ways[0].rows("things", "id") == ["a", "b"]
        assert ways[0].targets().count("/thing/a") == 1


PAGES_OF_ONE = Case(
    name="parts: a list of several pages at a path that ends in a placeholder", runs=1,
    api=_bases, check=_pages_of_a_thing,
    config=lambda base: {
        "client": {"base_url": base, "paginator": CURSOR["paginator"]},
        "resources": [
            resource("parents", DATA),
            resource("records", {"path": "base/{resources.parents.id}", "data_selector": "data"}),
            resource("things", {"path": "thing/{resources.parents.id}", "data_selector": "data"}),
        ],
    },
    differs=("a list at a path that ends in a placeholder, and a paginator of the client's",),
)  # fmt: skip


def _numbers(ask: Ask) -> Any:
    return answer([{"id": 7}] if ask.path == "/parents" else [{"path": ask.path}])


def _formatted(theirs: Outcomes, ours: Outcomes) -> None:
    assert "/p/7/kids" in theirs[0].targets()
    assert "/p/007/kids" in ours[0].targets()


FORMATTED = Case(
    name="parts: a format in a path", runs=1, api=_numbers, check=_formatted,
    config=lambda base: config(
        base, resource("parents", DATA),
        resource("kids", {**DATA, "path": "p/{resources.parents.id:03d}/kids"}),
    ),
    differs=("a format in a placeholder of a path, `{resources.a.id:03d}`",),
)  # fmt: skip


def _tagged(ask: Ask) -> Any:
    return answer([{"id": 1, "tags": ["a", "b"]}] if ask.path == "/parents" else [{"n": 1}])


def _listed(theirs: Outcomes, ours: Outcomes) -> None:
    assert [h.ask.query for h in theirs[0].heard][1:] == [[("tag", "['a', 'b']")]]
    assert [h.ask.query for h in ours[0].heard][1:] == [[("tag", "a"), ("tag", "b")]]


LIST = "a list of a parent's, or of a cursor in a template, as the whole value of a param"
LISTED = Case(
    name="parts: a list in a param", runs=1, api=_tagged, check=_listed,
    config=lambda base: config(base, resource("parents", DATA), resource("kids", {
        **DATA, "params": {"tag": "{resources.parents.tags}"}})),
    differs=(LIST,),
)  # fmt: skip


def _unbounded(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].targets() == ["/things?from=None&to=None"]
    assert ours[0].targets() == ["/things"]


BOUNDS = {"from": "{incremental.start_value}", "to": "{incremental.end_value}"}
UNBOUNDED = Case(
    name="parts: bounds without a value", runs=1, api=lambda _ask: answer([{"id": 1, "at": 1}]),
    config=lambda base: config(base, resource("things", {
        **DATA, "incremental": {"cursor_path": "at"}, "params": BOUNDS})),
    differs=("a bound of an incremental that has no value, in a param's template",),
    check=_unbounded,
)  # fmt: skip


def _meaningless(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].rows("things", "id") == [1]
    assert ours[0].error
    assert not ours[0].heard


NOTHING = (
    "what dlt takes and does nothing with: an unknown `action`, an incremental without "
    "`cursor_path`"
)
MEANINGLESS = [
    Case(
        name=f"parts: {name}", runs=1, api=lambda _ask: answer([{"id": 1}]), check=_meaningless,
        config=lambda base, said=said: config(base, resource("things", {**DATA, **said})),
        differs=(NOTHING,),
    )
    for name, said in {
        "an unknown action": {"response_actions": [{"status_code": 200, "action": "skip"}]},
        "an incremental of nothing": {"incremental": {"initial_value": 1}},
    }.items()
]  # fmt: skip


# W8: keys and numbers.


def _shaped(name: str, records: list[Record], row: str, check: Any) -> Case:
    return Case(name=f"parts: {name}", runs=1, api=lambda _ask: answer(records),
                config=lambda base: config(base, resource("things", DATA)),
                differs=(row,), check=check)  # fmt: skip


def _both_keys(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].columns("things") == {"id": "BIGINT", "user_name": "VARCHAR"}
    other = next(c for c in ours[0].columns("things") if c.startswith("user_name_"))
    assert ours[0].rows("things", "user_name", other) == [("first", "second")]


def _exact(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].error or theirs[0].rows("things", "v") != [2**70]
    assert not ours[0].error
    assert [int(v) for v in ours[0].rows("things", "v")] == [2**70]


SHAPED = [
    _shaped("keys of one name", [{"id": 1, "userName": "first", "User-Name": "second"}],
            "two keys that come to one name", _both_keys),
    _shaped("an integer of 71 bits", [{"id": 1, "v": 2**70}],
            "a number with more digits than a double holds", _exact),
]  # fmt: skip


# GraphQL: braces that no template needs.

QUERY = "query { things(first: 5) { id } }"


def _graphql(ask: Ask) -> Reply:
    right = ask.json == {"query": QUERY}
    return answer([{"id": 1}]) if right else Reply(status=400, body={})


def _braces(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].error
    assert ours[0].rows("things", "id") == [1]


GRAPHQL = Case(
    name="parts: braces of a query", runs=1, api=_graphql, differs=("braces in a body",),
    config=lambda base: config(base, resource("things", {
        **DATA, "method": "POST", "json": {"query": QUERY}})),
    check=_braces,
)  # fmt: skip


def _forbids_nulls(theirs: Outcomes, ours: Outcomes) -> None:
    assert theirs[0].tables["things"]["columns"]["id"] == ("BIGINT", "NO")
    assert ours[0].tables["things"]["columns"]["id"] == ("BIGINT", "YES")


NULLS = Case(
    name="parts: a key may be null in the database", runs=1, api=lambda _ask: answer([{"id": 1}]),
    config=lambda base: config(base, resource("things", DATA, primary_key="id")),
    differs=("`NOT NULL` of keys",), check=_forbids_nulls,
)  # fmt: skip

LONG = "a" * 80


def _shortened(theirs: Outcomes, ours: Outcomes) -> None:
    assert LONG in theirs[0].columns("things")
    (name,) = (c for c in ours[0].columns("things") if c != "id")
    assert len(name) == 63


NAMED = _shaped("a very long name", [{"id": 1, LONG: 1}], "names of more than 63 letters",
                _shortened)  # fmt: skip

# What one resource declares of a column that the defaults declare as well.


def _own_columns(theirs: Outcomes, ours: Outcomes) -> None:
    """Dlt writes it into the defaults, of which all resources have copies."""
    assert theirs[0].columns("first")["n"] == "BIGINT"
    assert ours[0].columns("first")["n"] == "VARCHAR"
    assert ours[0].columns("second")["n"] == theirs[0].columns("second")["n"] == "BIGINT"


def _declaring(_base: str) -> Parts:
    return {
        "client": {"base_url": _base, "paginator": "single_page"},
        "resource_defaults": {"columns": {"n": {"data_type": "text"}}},
        "resources": ["first", {"name": "second", "columns": {"n": {"data_type": "bigint"}}}],
    }


DECLARED = Case(
    name="parts: columns of one resource beside defaults",
    config=_declaring,
    runs=1,
    api=lambda _ask: [{"id": 1, "n": "5"}],
    differs=("what a resource declares of a column that the defaults declare as well",),
    check=_own_columns,
)

CASES = [
    *W1,
    *DETECTED,
    MISSED,
    COUNTING,
    *UNSAID,
    PARENTS,
    SEGMENTS,
    PAGES_OF_ONE,
    FORMATTED,
    LISTED,
    UNBOUNDED,
    *MEANINGLESS,
    *SHAPED,
    GRAPHQL,
    NULLS,
    NAMED,
    DECLARED,
]
