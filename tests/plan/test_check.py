"""Checks of whole plans."""

import msgspec
import pytest

from penstock.plan.check import CHECKS, check
from penstock.plan.expr import Const
from penstock.plan.hints import Column, Hints
from penstock.plan.pagination import Counter, SinglePage
from penstock.plan.records import Keys
from penstock.plan.request import JsonBody, Param, Request, Slot
from penstock.plan.slices import Cursor, Field, Parent
from penstock.plan.source import Source, Stream


def stream(name, parent=None, **hints):
    partition = None
    if parent:
        field = Field(name="id", path=Keys(path=("id",)))
        partition = Parent(stream=parent, fields=(field,))
    request = Request(url=Const(value=f"https://api.test/{name}"))
    return Stream(name=name, request=request, partition=partition, hints=Hints(**hints))


def counted(order=None, **parts):
    """A stream that appends what is new, page by page."""
    of = Cursor(path=Keys(path=("at",)), order=order)
    pages = Counter(unit="offset", into=None)
    request = Request(url=Const(value=parts.pop("url", "https://api.test/orders")))
    request = msgspec.structs.replace(
        request, params=parts.pop("params", ()), body=parts.pop("body", None)
    )
    return Stream(name="a", request=request, **{"cursor": of, "pagination": pages, **parts})


def source(*streams):
    return Source(name="s", base_url=None, streams=streams)


TYPED, OTHER = Column(name="n", type="text"), Column(name="n", type="json")
SHIFT = (
    "pages are counted in no order that is said, and new rows appended without a key: "
    "where rows come or go meanwhile, one may be missed for good, or doubled"
)
CASES = [
    ("fine", source(stream("a"), stream("b", "a")), []),
    ("empty", source(), [("no-streams", "", "there are no streams")]),
    (
        "twice",
        source(stream("a"), stream("a")),
        [("duplicate-name", "a", "there are 2 streams called 'a'")],
    ),
    (
        "orphan",
        source(stream("users"), stream("b", "user")),
        [("unknown-parent", "b", "there is no stream 'user' to be the parent")],
    ),
    (
        "ring",
        source(stream("a", "b"), stream("b", "a")),
        [("parent-cycle", "a", "these streams are each other's parents: a → b → a")],
    ),
    (
        "blind merge",
        source(stream("a", write="merge")),
        [("merge-without-key", "a", "a merge without a key ends at its first record")],
    ),
    (
        "one table, said unlike",
        source(stream("a", write="replace", table="t"), stream("t", write="append")),
        [
            (
                "shared-hints",
                "t",
                "'t' loads the table 't' with another disposition than 'a', which counts",
            )
        ],
    ),
    (
        "columns of one table",
        source(stream("a", table="t", columns=(TYPED,)), stream("b", table="t", columns=(OTHER,))),
        [
            (
                "shared-hints",
                "b",
                "'b' loads the table 't' with another set of columns than 'a', which counts",
            )
        ],
    ),
    ("columns of the first", source(stream("a", table="t", columns=(TYPED,)), stream("t")), []),
    ("unkept", source(stream("a\0b")), [("bad-name", "a\0b", r"the name 'a\x00b' holds U+0000")]),
    ("unnamed", source(stream(" \t")), [("bad-name", " \t", "a stream has no name")]),
    ("shifting", source(counted()), [("pages-may-shift", "a", SHIFT)]),
]


@pytest.mark.parametrize(("plan", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_plans_are_checked(plan, expected):
    """Each fault of a plan is found once, with its stream."""
    assert [(f.code, f.stream, f.message) for f in check(plan)] == expected


def test_the_nearest_parent_is_named():
    """An unknown parent's finding names the nearest stream."""
    (finding,) = check(source(stream("users"), stream("b", "user")))
    assert finding.hint == "did you mean 'users'?"


def named(*path):
    return Param(slot=Slot(place="query", path=path), value=Const(value="id"))


@pytest.mark.parametrize(
    "parts",
    [
        *({"params": (named(name),)} for name in ("sort", "order_by", "$orderby", "Ordering")),
        {"params": (named("order"),)},
        {"url": "https://api.test/orders?sort=id"},
        {"body": JsonBody(value=Const(value={"page": {"orderBy": "id"}}))},
        {"order": "asc"},
        {"hints": Hints(primary_key=("id",))},
        {"hints": Hints(write="replace")},
        {"cursor": None},
        {"pagination": SinglePage()},
        {"selected": False},
    ],
)
def test_pages_that_cannot_shift_unseen_are_no_finding(parts):
    """An order, a key, all rows anew with each run, or one page: nothing is to be said."""
    assert not check(source(counted(**parts)))


@pytest.mark.parametrize("name", ["order_id", "border", "limit", "recorder"])
def test_not_every_param_is_an_order(name):
    """A param that only reads alike sorts nothing."""
    (finding,) = check(source(counted(params=(named(name),))))
    assert finding.code == "pages-may-shift"


def test_every_check_is_exercised():
    """Every check finds something in one of the cases above."""
    idle = [one.__name__ for one in CHECKS if not any(list(one(plan)) for _, plan, _ in CASES)]
    assert idle == []
