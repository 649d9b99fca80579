"""Checks of whole plans."""

import pytest

from penstock.plan.check import CHECKS, check
from penstock.plan.expr import Const
from penstock.plan.hints import Hints
from penstock.plan.records import Keys
from penstock.plan.request import Request
from penstock.plan.slices import Field, Parent
from penstock.plan.source import Source, Stream


def stream(name, parent=None, **hints):
    partition = None
    if parent:
        field = Field(name="id", path=Keys(path=("id",)))
        partition = Parent(stream=parent, fields=(field,))
    request = Request(url=Const(value=f"https://api.test/{name}"))
    return Stream(name=name, request=request, partition=partition, hints=Hints(**hints))


def source(*streams):
    return Source(name="s", base_url=None, streams=streams)


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
        "two replace one",
        source(stream("a", write="replace", table="t"), stream("t", write="replace")),
        [("shared-table", "t", "'a' and 't' both replace the table 't'")],
    ),
]


@pytest.mark.parametrize(("plan", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_plans_are_checked(plan, expected):
    """Each fault of a plan is found once, with its stream."""
    assert [(f.code, f.stream, f.message) for f in check(plan)] == expected


def test_the_nearest_parent_is_named():
    """An unknown parent's finding names the nearest stream."""
    (finding,) = check(source(stream("users"), stream("b", "user")))
    assert finding.hint == "did you mean 'users'?"


def test_every_check_is_exercised():
    """Every check finds something in one of the cases above."""
    idle = [one.__name__ for one in CHECKS if not any(list(one(plan)) for _, plan, _ in CASES)]
    assert idle == []
