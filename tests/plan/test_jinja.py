"""Templates: what they give, what they may not do, and how large they may grow."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.errors import CapError, ExprError
from penstock.plan import jinja
from penstock.plan.expr import Const, Frame, Jinja, Literal, Ref, Scope, evaluate
from penstock.plan.literals import literal, truth

_spec = importlib.util.spec_from_file_location(
    "jinja_vectors", Path(__file__).with_name("jinja_vectors.py")
)
vectors = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(vectors)

NAMES = (
    ("config", Ref(at=Scope.SOURCE, path=())),
    ("parameters", Const(value=vectors.PARAMETERS)),
    ("stream_slice", Ref(at=Scope.SLICE, path=())),
    ("stream_partition", Ref(at=Scope.SLICE, path=())),
    ("stream_interval", Ref(at=Scope.SLICE, path=())),
    ("next_page_token", Ref(at=Scope.PAGE, path=("token",), optional=True)),
    ("record", Ref(at=Scope.RECORD, path=())),
)
FRAME = Frame(
    source=vectors.CONFIG,
    slice={
        "partition": {"pid": "p1"},
        "cursor": {"start": "2024-01-01", "end": "2024-02-01"},
        "extra": {"a.b": "ex"},
    },
    page={"token": "tok"},
    record={"a": 1, "b": None, "name": "x"},
    now=datetime(2026, 3, 31, 12, 30, 15, tzinfo=UTC),
)


def _template(source: str, kind: str = "text", types: tuple[str, ...] = ()) -> Jinja:
    return Jinja(source=source, names=NAMES, literal=True, kind=kind, types=types)


def _given(expr: Jinja) -> object:
    try:
        return evaluate(expr, FRAME)
    except ExprError:
        return vectors.FAILS


@pytest.mark.parametrize("vector", vectors.VECTORS, ids=lambda v: v[0] or "empty")
def test_template_gives_what_the_reference_gives(vector):
    """Each template gives the reference's value in every kind of slot, or fails where it fails."""
    source, text, value, condition, restricted = vector
    assert _same(_given(_template(source)), text)
    assert _same(_given(_template(source, "value")), value)
    assert _same(_given(_template(source, "truth")), condition)
    assert _same(_given(_template(source, "value", ("str", "list"))), restricted)


def _same(given: object, expected: object) -> bool:
    return given is expected or (type(given) is type(expected) and given == expected)


_LOOPS = "{% for a in config.many %}" * 4 + "x" + "{% endfor %}" * 4
_DOUBLING = (
    "{% set ns = namespace(x='aaaaaaaaaa') %}"
    "{% for i in config.many %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}"
)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 100000000 }}",
        "{{ 10 ** 10000000 }}",
        "{{ 'a'|center(1000000000) }}",
        "{{ 'a'.ljust(1000000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        _DOUBLING,
        _LOOPS,
        "{% macro f(n) %}{{ f(n - 1) if n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(100) }}",
        _LOOPS.replace("config.many", "config.many|map('upper')"),
    ],
)
def test_template_that_would_grow_without_end_is_stopped(source):
    """A template that would build a huge text or turn for minutes is an error, at once."""
    frame = Frame(source={"many": ["a"] * 100})
    with pytest.raises(CapError):
        jinja.render(_template(source), frame)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ config|attr('__class__') }}{{ (config|attr('__class__')).x }}",
        "{{ now_utc.__globals__.x }}",
        "{{ '{0.__class__.__mro__}'.format(config) }}",
    ],
)
def test_template_cannot_reach_python(source):
    """No attribute of Python's own objects is in reach of a template."""
    with pytest.raises(ExprError):
        jinja.render(_template(source), FRAME)


def test_unknown_variable_is_named_with_those_there_are():
    """A variable that does not exist here is named, and so are those that do."""
    with pytest.raises(ExprError, match="uses colour, which is not known here") as caught:
        jinja.render(_template("{{ colour }}"), FRAME)
    assert "config" in caught.value.hint


def test_headers_are_seen_in_any_case_and_links_by_relation():
    """A template reads headers in any case, and the link header by relation."""
    names = (("headers", Ref(at=Scope.PAGE, path=("headers",))),)
    link = '<https://x.test/2>; rel="next"; results="true"'
    page = {"headers": {"x-next": "7", "link": link}, "links": {"next": "https://x.test/2"}}
    expr = Jinja(source="{{ headers['link']['next']['url'] }} {{ headers['x-next'] }}", names=names)
    assert evaluate(expr, Frame(page=page)) == "https://x.test/2 7"
    expr = Jinja(source="{{ headers['link']['next']['results'] }}", names=names)
    assert evaluate(expr, Frame(page=page)) == "true"


def test_spelled_keeps_a_number_as_it_was_written():
    """A credential that looks like a number goes out as it was written."""
    ref = Ref(at=Scope.SOURCE, path=("key",))
    frame = Frame(source={"key": "123_456"})
    assert evaluate(Literal(value=ref, spelled=True), frame) == "123_456"
    assert evaluate(Literal(value=ref), frame) == 123456


def test_literal_of_a_missing_value_is_what_its_slot_takes():
    """A missing value is an empty text, null, or false, as the slot takes it."""
    ref = Ref(at=Scope.SOURCE, path=("key",), optional=True)
    given = [
        evaluate(Literal(value=ref, kind=kind), Frame()) for kind in ("text", "value", "truth")
    ]
    assert given == ["", None, False]


def test_leaf_reference_fails_where_a_parent_is_missing():
    """With `leaf` only the last step may be missing."""
    ref = Ref(at=Scope.PAGE, path=("response", "meta", "next"), optional=True, leaf=True)
    assert evaluate(ref, Frame(page={"response": {"meta": {}}})) is None
    with pytest.raises(ExprError):
        evaluate(ref, Frame(page={"response": {}}))


def test_texts_that_are_no_json_stay_texts():
    """Sets, bytes, ellipses and complex numbers are no values of JSON and stay texts."""
    for text in ("{1, 2}", "b'x'", "...", "1+2j", "[b'x']", "(" * 500, "'\\d'[", "set()"):
        assert literal(text) == text


def test_conditions_hold_for_most_texts():
    """Only the texts of empty and false values are false."""
    assert truth("no")
    assert truth("FALSE")
    assert not truth("0.0")
    assert not truth([])
