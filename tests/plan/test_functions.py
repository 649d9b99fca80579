"""Expressions as functions: what is prepared for many records gives what one evaluation gives."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ExprError
from penstock.plan import jinja
from penstock.plan.expr import Concat, Const, Frame, Jinja, Literal, Ref, Scope, evaluate
from penstock.plan.functions import function
from penstock.plan.transforms import AddedField, AddFields, apply, prepared

NAMES = (
    ("config", Ref(at=Scope.SOURCE, path=())),
    ("record", Ref(at=Scope.RECORD, path=())),
    ("stream_slice", Ref(at=Scope.SLICE, path=())),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-20, 20)
    | st.floats(allow_nan=False, width=16)
    | st.sampled_from(["", "a", "True", "None", "1.0", "[1]", "items", "x'y", "é"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "items", "1"]), inner, max_size=3)
    ),
    max_leaves=5,
)
RECORDS = st.dictionaries(st.sampled_from(["a", "b", "items", "id"]), VALUES, max_size=4) | VALUES

LEAVES = st.sampled_from(
    [
        "record", "record.a", "record['a']", "record.a.b", "record['a']['b']", "record.items",
        "record['items']", "record.a[0]", "record.missing", "record['missing'].deeper", "config.k",
        "config['n']", "stream_slice.a", "stream_slice['part']", "1", "-2", "2.5", "'x'", "''",
        "true", "none", "[1, 'a']", "{'a': 1}", "day_delta(0, format='%Y')",
        "record.get('a')", "record.a.lower()",
    ]
)  # fmt: skip
BINARY = ["==", "!=", "<", "<=", ">", "in", "not in", "and", "or", "+", "-", "*", "~", "/", "%"]
FILTERS = ["default('d')", "default('d', true)", "int", "lower", "length", "string", "trim"]
FILTERS += ["first", "list", "replace('a', 'b')", "tojson", "join('-')", "hash", "abs", "round"]
TESTS = ["defined", "none", "string", "number", "not defined", "mapping"]


def _grown(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(FILTERS)).map(lambda t: f"({t[0]} | {t[1]})"),
        st.tuples(inner, st.sampled_from(TESTS)).map(lambda t: f"({t[0]} is {t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} if {t[1]})"),
        inner.map(lambda text: f"(not {text})"),
    )


EXPRESSIONS = st.recursive(LEAVES, _grown, max_leaves=4)
TEMPLATES = st.lists(
    EXPRESSIONS.map(lambda text: "{{ " + text + " }}")
    | st.sampled_from(["-", " ", "text", "\n", "{# c #}", "{% if record %}y{% endif %}"]),
    min_size=1,
    max_size=3,
).map("".join)


def _frame(record):
    return Frame(
        source={"k": "Key", "n": 5},
        slice={"partition": {"part": "p1"}, "cursor": {}, "extra": {}},
        record=record,
    )


def _outcome(work, *given):
    try:
        found = work(*given)
    except ExprError as error:
        return "fails", str(error)
    return type(found).__name__, _written(found)


def _written(value):
    """A value as text, but for where it lies in memory, which is never the same twice."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


@settings(deadline=None, max_examples=300)
@given(TEMPLATES, RECORDS, st.sampled_from(["text", "value", "truth"]), st.booleans())
def test_a_template_that_only_reads_gives_what_a_whole_context_gives(source, record, kind, spelled):
    """The short way is Jinja's own code with nothing but the variables for a context."""
    expr = Jinja(source=source, names=NAMES, literal=True, kind=kind, spelled=spelled)
    frame = _frame(record)
    short = _outcome(evaluate, expr, frame)
    held = jinja.compiled
    try:
        whole = msgspec.structs.replace(held(source), plain=False)
        jinja.compiled = lambda _source: whole
        assert _outcome(evaluate, expr, frame) == short
    finally:
        jinja.compiled = held


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{{ record['id'] >= 0 }}", True),
        ("{{ record.a | default('x') | lower }}-{{ config.k }}", True),
        ("{{ record.get('a') }}", False),
        ("{{ now_utc() }}", False),
        ("{{ max }}", False),
        ("{{ record | tojson }}", False),
        ("{% set a = 1 %}{{ a }}", False),
        ("{% for a in record %}{{ a }}{% endfor %}", False),
        ("{{ record | nothing_known }}", False),
    ],
)
def test_only_a_template_that_only_reads_takes_the_short_way(source, plain):
    """Whatever may look at its context, or has to be counted, gets a whole one."""
    try:
        found = jinja.compiled(source).plain
    except ExprError:
        found = False
    assert found is plain


EXPRS = st.recursive(
    VALUES.map(lambda value: Const(value=value))
    | st.builds(
        Ref,
        at=st.sampled_from([Scope.RECORD, Scope.SOURCE]),
        path=st.lists(st.sampled_from(["a", "b", "k", 0, -1]), max_size=2).map(tuple),
        optional=st.booleans(),
        leaf=st.booleans(),
    )
    | st.builds(Jinja, source=TEMPLATES, names=st.just(NAMES), literal=st.booleans()),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: Concat(parts=tuple(parts)))
        | st.builds(
            Literal,
            value=inner,
            types=st.sampled_from([(), ("str",), ("int", "bool")]),
            spelled=st.booleans(),
            kind=st.sampled_from(["text", "value", "truth"]),
        )
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=300)
@given(EXPRS, RECORDS)
def test_a_function_gives_what_an_evaluation_gives(expr, record):
    """Values, types and errors are the same."""
    frame = _frame(record)
    assert _outcome(function(expr), frame) == _outcome(evaluate, expr, frame)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([("a",), ("a", "b"), ("z", "0")]), EXPRS), max_size=3))
def test_a_prepared_change_is_made_to_every_record(fields):
    """Fields that are added see those that were added before, in each record anew."""
    change = AddFields(fields=tuple(AddedField(path=p, value=v) for p, v in fields))
    make = prepared(change)
    for number in (1, 2):
        first, second = {"a": {"b": number}}, {"a": {"b": number}}
        assert _outcome(make, first, _frame(None)) == _outcome(apply, change, second, _frame(None))
        assert _written(first) == _written(second)  # a record may hold itself by now
