"""What somebody gets wrong who knows neither the syntax nor the dialect: each has a way out."""

from __future__ import annotations

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document, SecretRef
from penstock.dialects.from_yaml import written
from penstock.dialects.loading import read_text

HEAD = "client: {base_url: https://api.test}\n"
KEYED = "client: {base_url: 'https://api.test/v1?key=1'}\n"
ONE = HEAD + "resources:\n  - name: a\n"


def said(text: str, suffix: str = ".yaml") -> list[tuple[int, str, str | None]]:
    """Line, code and hint of everything that is said of a text."""
    compiled = compile_document(read_text(text, file=f"d{suffix}", suffix=suffix))
    return [(d.place.line if d.place else 0, d.code, d.hint) for d in compiled.diagnostics]


BESIDE = "indent it as the lines beside it, or close the quotes before it"
CLOSE = "close the bracket, or put a text with braces, brackets or ': ' in it in quotes"
INDENT = (
    "indent it as the line before it, end that line with a colon, "
    "or put a text with ': ' in it in quotes"
)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("client:\n\tbase_url: x\n", 2, "write spaces"),
        ("client:\n  base_url: x\n\theaders: {}\n", 3, "write spaces"),
        ("client: {}\nresources:\n- name: a\n  endpoint: b\n   params: {}\n", 5, INDENT),
        ("client:\n  base_url: x\n headers: {}\n", 3, BESIDE),
        ("client: {base_url: ${URL}}\n", 1, CLOSE),
        ("client: {base_url: @x}\n", 1, "put a text that begins with '@' in quotes"),
        ("client: *x\n", 1, "put a text that begins with * in quotes"),
        ('a: 1\nb: "x\nc: y\n', 2, "close the quotes"),
        ("client: {}\n---\nclient: {}\n", 2, "a file holds one: keep one of them"),
    ],
)
def test_what_is_no_yaml_is_told_with_a_way_out(text, line, hint):
    """The place is where to look, and the hint says what to write there."""
    assert said(text) == [(line, "yaml-syntax", hint)]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"a": 1, // one\n "b": 2}', "JSON has no comments: take it away"),
        ('{"a": 1 /* one */, "b": 2}', "JSON has no comments: take it away"),
        ("{'a': 1}", "write double quotes"),
        ('{"a": [1, 2,]}', "take the comma before it away"),
        ('{"a": True}', "write true"),
        ('{"a": 1, b: 2}', None),
    ],
)
def test_what_is_no_json_is_told_with_a_way_out(text, hint):
    """So is what JavaScript and Python have, and JSON does not."""
    assert [(code, told) for _, code, told in said(text, ".json")] == [("json-syntax", hint)]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_document_is_called_empty(text):
    """It is not called neither of two dialects."""
    [found] = compile_document(read_text(text, file="d.yaml", suffix=".yaml")).diagnostics
    assert (found.code, found.message) == ("no-dialect", "the document is empty")


TOP = "it belongs to the top, beside client"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base_url: x\nresources: [a]\n",
         [(1, "unknown-key", "it belongs into client"), (1, "missing-key", None)]),
        ("client:\n  base_url: x\n  resources: [a]\n",
         [(1, "missing-key", None), (3, "unknown-key", TOP)]),
        (HEAD + "streams: [a]\n",
         [(1, "missing-key", None), (2, "unknown-key", "did you mean 'resources'?")]),
        (ONE + "    endpoint: {path: a, primary_key: id}\n",
         [(4, "unknown-key", "it belongs to the resource, beside endpoint")]),
        (ONE + "    endpoint: {path: a, cursor_field: t}\n",
         [(4, "unknown-key", 'write "incremental" with "cursor_path" into the endpoint')]),
        ("client: {base_url: api.test/v1}\nresources: [a]\n",
         [(1, "url", "write https://api.test/v1")]),
        ("client: {base_url: 'ftp://api.test'}\nresources: [a]\n",
         [(1, "url", "it begins with https://")]),
        (KEYED + "resources: [a, b, {name: c, endpoint: ''}]\n",
         [(1, "url", "write it into params of the endpoint of resource_defaults")]),
        (KEYED + "resources: [{name: c, endpoint: ''}]\n", []),
        ("client: {base_url: u, auth: Bearer abc}\nresources: [a]\n",
         [(1, "unknown-value", 'write {"type": "bearer", "token": dlt.secrets["token"]}')]),
        ("client: {base_url: u, rate_limit: 10, retry: 3}\nresources: [a]\n",
         [(1, "wrong-type", 'write "calls": 10, "seconds": 1 in braces'),
          (1, "wrong-type", 'write "max_retries": 5 in braces')]),
        (ONE + "    endpoint: 'a/{}/b'\n",
         [(4, "bad-template", ("write {resources.<resource>.<field>} or {incremental.<value>}, "
           "or {{ and }} for braces"))]),
        (ONE + "  - {name: b, endpoint: 'a/{resources.a.id!z}/b'}\n",
         [(4, "bad-template", "there are: !r, !s, !a")]),
        (ONE + "    endpoint: {path: a, method: POST, json: '{\"q\": 1}'}\n",
         [(4, "wrong-type", "write a mapping, or call it data to send the text")]),
    ],
)  # fmt: skip
def test_what_stands_in_the_wrong_place_is_told_where_it_belongs(text, expected):
    """A key that would mean something elsewhere, and a value that lacks its half."""
    assert said(text) == expected


def test_resources_that_are_no_list_are_told_how_they_are_written():
    """By name, as in other tools, or without the dash."""
    hint = 'write a name or a mapping for each, as [{"name": "users"}]'
    assert said(HEAD + "resources:\n  a: {endpoint: x}\n") == [(3, "wrong-type", hint)]


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ("concurrency: 0", "client.concurrency must be at least 1, not 0"),
        ("retry: {max_retries: -1}", "client.retry.max_retries must be at least 0, not -1"),
        ("paginator: {type: offset, limit: 0}", "client.paginator.limit must be at least 1, not 0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(client, message):
    """They were taken for the nearest that does, or asked without end."""
    text = f"client: {{base_url: u, {client}}}\nresources: [a]\n"
    found = compile_document(read_text(text, file="d.yaml", suffix=".yaml")).diagnostics
    assert [d.message for d in found] == [message]


# Values as other tools spell them.


@pytest.mark.parametrize("spelled", ["{{ config['tok'] }}", '{{ config["tok"] }}', "${tok}"])
def test_a_credential_of_another_tool_is_asked_for(spelled):
    """It would be sent as it stands, and refused by the API with nothing to see."""
    auth = {"type": "bearer", "token": spelled}
    config = {"client": {"base_url": "u", "auth": auth}, "resources": ["a"]}
    text = written(config)
    compiled = compile_document(read_text(text, file="d.yaml", suffix=".yaml"))
    [found] = compiled.diagnostics
    assert (found.severity, found.code) == ("warning", "renamed-value")
    assert found.hint == "write dlt.secrets['tok']"
    assert compiled.source is not None
    assert [(i.name, i.secret) for i in compiled.source.inputs] == [("tok", True)]


def test_a_url_and_a_header_with_such_values_are_put_together():
    """Of the configuration, as no secret stands in a URL; what stands around them stays."""
    client = {"base_url": "https://${host}.test/v1", "headers": {"X-Org": "o-{{ config.org }}"}}
    compiled = compile_document(Document.from_object({"client": client, "resources": ["a"]}, "d"))
    assert [d.hint for d in compiled.diagnostics] == [
        "write dlt.config['host']",
        "write dlt.config['org']",
    ]
    assert compiled.source is not None
    assert [(i.name, i.secret) for i in compiled.source.inputs] == [("host", False), ("org", False)]


def test_a_text_without_such_a_value_is_no_reference():
    """Braces and dollars alone mean nothing."""
    config = {"client": {"base_url": "u", "headers": {"X": "{{ y }} $z ${1}"}}, "resources": ["a"]}
    document = Document.from_object(config, "d")
    assert compile_document(document).diagnostics == ()
    assert not isinstance(document.root.mapping["client"].value, SecretRef)


OWN = "a placeholder of dlt's has single braces; it is read as if it had"


@pytest.mark.parametrize("doubled", ["{{ resources.users.id }}", "{{resources.users.id}}"])
def test_a_placeholder_in_doubled_braces_is_read_as_one(doubled):
    """In a path nothing else can be meant; dlt asks for the braces."""
    child = {"name": "orders", "endpoint": {"path": f"users/{doubled}/orders"}}
    config = {"client": {"base_url": "u"}, "resources": ["users", child]}
    compiled = compile_document(Document.from_object(config, "d"))
    [found] = compiled.diagnostics
    assert (found.code, found.message) == ("airbyte-template", OWN)
    assert found.hint == 'write "users/{resources.users.id}/orders"'
    right = {"name": "orders", "endpoint": {"path": "users/{resources.users.id}/orders"}}
    meant = {"client": {"base_url": "u"}, "resources": ["users", right]}
    assert compiled.source == compile_document(Document.from_object(meant, "d")).source


@pytest.mark.parametrize("foreign", ["{{ parent.id }}", "{{ id }}", "{{parent.id}}"])
def test_doubled_braces_that_mean_nothing_are_said(foreign):
    """They are sent as dlt sends them, which nobody wants in a path."""
    text = ONE + f"    endpoint: 'a/{foreign}/b'\n"
    assert said(text) == [(4, "airbyte-template", "write {resources.<resource>.<field>}")]


def test_braces_that_are_doubled_for_themselves_say_nothing():
    """As dlt has it, where nothing looks like a template."""
    assert said(ONE + "    endpoint: 'a/{{b}}/c'\n") == []


def test_a_module_in_place_of_a_value_is_no_bug(tmp_path, monkeypatch):
    """So is a decorated function: it was asked for what an object of dlt's has."""
    script = (
        "import dlt\nfrom dlt.sources.rest_api import rest_api_source\n"
        "@dlt.source\ndef made():\n    return []\n"
        "s = rest_api_source({'client': {'base_url': 'u', 'auth': dlt, 'paginator': made},\n"
        "                     'resources': ['a']}, name=str(1))\n"
    )
    from penstock.engine import compile_source  # noqa: PLC0415 (only here)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(script, "utf-8")
    found = compile_source("s.py").diagnostics
    assert [d.message for d in found] == [
        "client.auth must be a mapping, not a Python object",
        "client.paginator must be a mapping, not a Python object",
    ]


SHOP = "{'client': {'base_url': 'https://api.test'}, 'resources': ['users']}"
IMPORTS = "import dlt\nfrom dlt.sources.rest_api import rest_api_source\n"
TABLE = "@dlt.resource({})\ndef rows():\n    yield [1]\n\nsource = rows()\n"


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        (f"source = rest_api_source({SHOP}, nme=str(1))\n",
         "rest_api_source has no argument 'nme'", "did you mean 'name'?"),
        (TABLE.format("write_dispostion='merge', primary_key='id'"),
         "dlt.resource has no argument 'write_dispostion'", "did you mean 'write_disposition'?"),
        ("@dlt.source(max_nesting=1)\ndef source():\n    return []\n",
         "dlt.source has no argument 'max_nesting'", "did you mean 'max_table_nesting'?"),
        ("dlt.pipeline('x', destination='duckdb').run([{'id': 1}], tabel_name='t')\n",
         "run has no argument 'tabel_name'", "did you mean 'table_name'?"),
        (f"source = rest_api_source({SHOP})\nsource.users.apply_hints(primry_key='id')\n",
         "apply_hints has no argument 'primry_key'", "did you mean 'primary_key'?"),
        (f"source = rest_api_source({SHOP})\nsource.teams.add_limit(1)\n",
         "Penstock has no DltSource.teams", "its resources are: users"),
        ("from dlt.sources.rest_api import rest_apis\n",
         "Penstock has no dlt.sources.rest_api.rest_apis", "did you mean 'rest_api'?"),
        ("import dlt.sources.restapi\n",
         "Penstock has no dlt.sources.restapi", "did you mean 'dlt.sources.rest_api'?"),
    ],
)  # fmt: skip
def test_a_word_of_dlt_that_is_misspelled_is_told(script, message, hint, tmp_path, monkeypatch):
    """Arguments used to be passed over: rows were appended that were to be merged."""
    from penstock.engine import compile_source  # noqa: PLC0415 (only here)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(IMPORTS + script, "utf-8")
    found = [d for d in compile_source("s.py").diagnostics if d.severity == "error"]
    assert [(d.message, d.hint) for d in found] == [(message, hint)]


ODD = """\
source = rest_api_source({
    "client": {"base_url": "https://api.test"}, "resource_defaults": int(1),
    "resources": ["users", [["x"]], {"name": {1}}, {"name": ["y"]}, None, {"nme": "z"}]})
"""


def test_things_of_any_kind_in_place_of_resources_are_told(tmp_path, monkeypatch):
    """Each at its place; they used to end the script with an exception of Penstock's own."""
    from penstock.engine import compile_source  # noqa: PLC0415 (only here)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(IMPORTS + ODD, "utf-8")
    assert [d.message for d in compile_source("s.py").diagnostics] == [
        "resource_defaults must be a mapping, not a number",
        "resources[1] must be a name or a mapping, not a list",
        "resources[2].name must be a text, not a list",
        "resources[3].name must be a text, not a list",
        "resources[4] must be a name or a mapping, not null",
        "a resource needs 'name'",
    ]


def test_an_end_that_is_put_together_of_a_value_is_known_in_the_run():
    """It was compared with the first value, and that was an exception."""
    incremental = {"cursor_path": "t", "initial_value": "2024-01-01",
                   "end_value": "{dlt.config['until']}T00:00:00Z"}  # fmt: skip
    resource = {"name": "a", "endpoint": {"path": "a", "incremental": incremental}}
    config = {"client": {"base_url": "u"}, "resources": [resource]}
    compiled = compile_document(read_text(written(config), file="d.yaml", suffix=".yaml"))
    assert compiled.diagnostics == ()
    assert compiled.source is not None
    assert [one.name for one in compiled.source.inputs] == ["until"]
