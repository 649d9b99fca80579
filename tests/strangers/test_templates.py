"""Templates of strangers: none gets out of its sandbox, and none grows or turns without an end."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from tests.dialects.airbyte import manifests

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.errors import CapError, ExprError
from penstock.plan import jinja
from penstock.plan.expr import Frame, Jinja, Ref, Scope

# Things that a template can get hold of, and ways from them to Python.
HOLDS = (
    "''",
    "config",
    "config.items",
    "[]",
    "()",
    "{}",
    "1",
    "now_utc",
    "range",
    "namespace()",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "self",
    "loop",
)
WAYS = (
    "{{{{ {0}.__class__.__base__.__subclasses__() }}}}",
    "{{{{ ({0}|attr('__class__')).__mro__ }}}}",
    "{{{{ {0}['__class__']['__mro__'][1] }}}}",
    "{{{{ {0}|attr('_' ~ '_class_' ~ '_')|attr('mro') }}}}",
    "{{{{ {0}.__init__.__globals__['os'].popen('id').read() }}}}",
    "{{{{ '{{0.__class__.__init__.__globals__}}'.format({0}) }}}}",
)
MORE = (
    "{{ config.__class__ }}",
    "{{ ''.join.__self__.__class__ }}",
    "{{ [].append.__func__ }}",
    "{{ ().count.__call__.__self__ }}",
    "{{ (''|map).gi_frame.f_globals }}",
    "{{ [1]|map(attribute='__class__')|list }}",
    "{{ [config]|map(attribute='__class__.__mro__')|first }}",
    "{{ [config]|sort(attribute='__class__')|first|attr('__dict__') }}",
    "{{ [config]|groupby('__class__')|first }}",
    "{{ {'a': config}|dictsort(by='value')|attr('__iter__') }}",
    "{{ '%s'.__mod__.__self__ }}",
    "{{ config|string|attr('__len__') }}",
    "{% set x = config %}{{ x.__reduce__() }}",
    "{% set x = config.__class__ %}{{ x }}",
    "{% for x in ''.__class__.__mro__ %}{{ x }}{% endfor %}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "{% macro m() %}x{% endmacro %}{{ m.__init__.__globals__ }}",
    "{% import 'os' as os %}{{ os.system('id') }}",
    "{% from 'subprocess' import run %}{{ run('id') }}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% call(x) config.__class__() %}{% endcall %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
    "{% with x = config.__dict__ %}{{ x }}{% endwith %}",
    "{% do config.__setitem__('a', 1) %}",
    "{% do config.update({'a': 1}) %}",
    "{{ open('/etc/passwd').read() }}",
    "{{ __import__('os').system('id') }}",
    "{{ eval('1+1') }}",
    "{{ exec('1') }}",
    "{{ getattr(config, '__class__') }}",
    "{{ globals() }}",
    "{{ environment.loader }}",
    "{{ self._TemplateReference__context }}",
    "{{ self.__init__.__globals__ }}",
    "{{ request.application.__globals__ }}",
    "{{ url_for.__globals__ }}",
    "{{ get_flashed_messages.__globals__ }}",
)
PAYLOADS = (*(way.format(hold) for hold, way in product(HOLDS, WAYS)), *MORE)
LEAK = re.compile(r"<(class|function|module|built-in|bound method|frame)|__subclasses__|root:|uid=")
DOUBLED = (
    "{{% set ns = namespace(x=[1, 2]) %}}"
    "{{% for a in config.many %}}{{% set ns.x = [ns.x, ns.x] %}}{{% endfor %}}{{{{ {0} }}}}"
)
ENDLESS = (
    "{{ 'a' * 999999999 }}",
    "{{ ('a' * 9999999) ~ ('b' * 9999999) }}",
    "{{ [0] * 999999999 }}",
    "{{ [[0] * 9999] * 999999 }}",
    DOUBLED.format("ns.x"),
    DOUBLED.format("ns.x|string"),
    "{{ 9 ** (9 ** 9) }}",
    "{{ 2 ** 999999999 }}",
    "{{ 'a'|center(999999999) }}",
    "{{ 'a'.rjust(999999999) }}",
    "{{ 'a'.zfill(999999999) }}",
    "{{ '%999999999s' % 'a' }}",
    "{{ '{:>999999999}'.format('a') }}",
    "{{ ('a,' * 99999).split(',')|join('b' * 9999) }}",
    "{{ ('a' * 99999)|replace('a', 'b' * 9999) }}",
    "{{ ('a b ' * 99999)|wordwrap(1)|length * 'a' * 99999 }}",
    "{% for a in config.many %}" * 5 + "x" + "{% endfor %}" * 5,
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f(n) %}{{ f(n - 1) if n }}{{ f(n - 1) if n }}{% endmacro %}{{ f(99) }}",
)


def rendered(source: str) -> object:
    """What a template gives, of a source's values and the time."""
    names = (("config", Ref(at=Scope.SOURCE, path=())),)
    return jinja.render(Jinja(source=source, names=names), Frame(source={"many": ["a"] * 100}))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_template_stays_in_its_sandbox(payload: str) -> None:
    """It is an error of the document, or gives something that is of no use to it."""
    try:
        given = str(rendered(payload))
    except (ExprError, CapError):
        return
    assert not LEAK.search(given), given[:300]


@pytest.mark.parametrize("payload", ENDLESS, ids=range(len(ENDLESS)))
def test_a_template_has_an_end(payload: str) -> None:
    """One that would build or turn without an end is stopped."""
    with pytest.raises((CapError, ExprError)):
        rendered(payload)


def test_there_are_many_payloads() -> None:
    """The corpus is not a handful."""
    assert len(set(PAYLOADS)) >= 80


BROKEN = ("{{ 1 + }}", "{{ config['x'", "{% if %}", "{% for x in %}{% endfor %}")


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(
    "parts",
    [
        lambda text: {"name": text},
        lambda text: {"requester": {"path": text}},
        *(
            partial(lambda field, text: {"requester": {field: {text: "1"}}}, field)
            for field in ("request_headers", "request_parameters", "request_body_json")
        ),
        lambda text: {"requester": {"request_body_json": {"a": {text: "1"}}}},
        lambda text: {"requester": {"request_parameters": {"a": text}}},
    ],
)
def test_a_template_that_is_none_is_said_wherever_it_stands(
    parts: Callable[[str], dict[str, Any]], broken: str
) -> None:
    """In names of streams, and in names of params, as in values: one error, and no exception."""
    found = manifests.compiled(manifests.manifest(manifests.stream(**parts(broken))), {})
    errors = [d.code for d in found.diagnostics if d.severity == "error"]
    assert set(errors) == {"airbyte-template"}


@pytest.mark.parametrize("value", ["{{ 7 * 7 }}", "../../x", "x; DROP TABLE y", "{% raw %}"])
def test_what_a_template_gives_is_not_a_template(value: str) -> None:
    """The name of a stream may come of the user's values: it is that value, to the letter."""
    named = manifests.manifest(manifests.stream(name="{{ config['x'] }}"))
    found = manifests.compiled(named, {"x": value})
    assert [stream.name for stream in found.need().streams] == [value]


def test_a_name_that_cannot_be_kept_is_an_error() -> None:
    """U+0000 in the name of a stream is said before the run, in both dialects."""
    named = manifests.manifest(manifests.stream(name="{{ config['x'] }}"))
    document = {
        "client": {"base_url": "https://x.test"},
        "resources": [{"name": "a\0b", "endpoint": {"path": "a"}}],
    }
    for found in (
        manifests.compiled(named, {"x": "a\0b"}),
        compile_document(Document.from_object(document, "doc")),
    ):
        assert found.source is None
        assert "bad-name" in {d.code for d in found.diagnostics if d.severity == "error"}
