"""Reading documents: what values they hold, where they stand, and what cannot be read."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dialects import compile_document, load
from penstock.dialects.dlt.script import read_script
from penstock.dialects.document import Document, SecretRef, scalar, source_name
from penstock.dialects.from_json import read_json
from penstock.dialects.from_yaml import read_yaml
from penstock.dialects.loading import Code, read_text
from penstock.errors import PlanError


def yaml_of(text):
    document = Document(file="d.yaml", kind="yaml", text=text)
    document.root = read_yaml(document, text)
    return document


def json_of(text):
    document = Document(file="d.json", kind="json", text=text)
    document.root = read_json(document, text)
    return document


def python_of(text):
    document = Document(file="d.py", kind="python", text=text)
    document.root = read_script(document, text) or document.root
    return document


def said(document):
    return [f"{d.place.line}:{d.place.column} {d.code}: {d.message}" for d in document.diagnostics]


# YAML.


def test_yaml_values_are_those_of_a_safe_load():
    """Scalars have the types of YAML 1.1; dates stay text as written."""
    text = "a: 1\nb: 0x10\nc: 1.5\nd: yes\ne: ~\nf: '1'\ng: 2024-01-02\nh: [1, x]\n"
    assert yaml_of(text).root.plain() == {
        "a": 1, "b": 16, "c": 1.5, "d": True, "e": None, "f": "1", "g": "2024-01-02", "h": [1, "x"],
    }  # fmt: skip


def test_nodes_know_their_places():
    """A node knows the line and column of its key and its value, and the line itself."""
    node = yaml_of("a:\n  - b: 12\n").root.get("a").items[0].get("b")
    assert (node.key_place.line, node.key_place.column) == (2, 5)
    assert (node.place.line, node.place.column, node.place.text) == (2, 8, "  - b: 12")
    assert node.label == "a[0].b"


def test_merge_keys_and_aliases():
    """Merge keys fill in what a mapping does not say itself; the first of several wins."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 9}\n"
    assert yaml_of(text).root.plain()["c"] == {"x": 9, "y": 1, "z": 2}


def test_an_alias_bomb_is_refused():
    """A document that grows without end through its aliases is refused, and quickly."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    document = yaml_of("\n".join(lines))
    assert [d.code for d in document.diagnostics] == ["too-large"]


def test_a_document_that_holds_itself_is_refused():
    """An alias to what it stands in is refused."""
    assert [d.code for d in yaml_of("a: &a [*a]").diagnostics] == ["too-large"]


@pytest.mark.parametrize(
    "text", ["[" * 5000, "a: [", "a: b: c", "\t- a", "a: \x01", "--- a\n--- b"]
)
def test_bad_yaml_is_one_error(text):
    """What is no YAML is one error with a place, whatever is wrong with it."""
    (found,) = yaml_of(text).diagnostics
    assert found.code in {"yaml-syntax", "too-large"}
    assert found.place.line > 0


def test_tags_construct_nothing():
    """A tag for a Python object is an error, and nothing is made of it."""
    document = yaml_of("a: !!python/object/apply:os.getcwd []\n")
    expected = "1:4 yaml-tag: the tag 'python/object/apply:os.getcwd' stands for no plain value"
    assert said(document) == [expected]


def test_a_key_twice_is_said():
    """The last of two equal keys counts, and that is said."""
    document = yaml_of("a: 1\na: 2\n")
    assert document.root.plain() == {"a": 2}
    assert said(document) == ["2:1 duplicate-key: the key 'a' comes twice; the last one counts"]


@pytest.mark.parametrize(
    ("text", "name", "secret"),
    [
        ('dlt.secrets["api_key"]', "api_key", True),
        ("dlt.secrets['a.b']", "a.b", True),
        ('dlt.config["x"]', "x", False),
        ("config['x']", "x", False),
    ],
)
def test_references_in_text(text, name, secret):
    """A scalar that is written as a reference is one, in YAML and in JSON."""
    expected = SecretRef(name=name, secret=secret, read=True)
    assert yaml_of(f"a: {text}\n").root.get("a").value == expected
    assert json_of(json.dumps({"a": text})).root.get("a").value == expected


def test_a_reference_whose_value_must_be_known():
    """It is looked up where the plan depends on it; without a value the error says so."""
    text = (
        "client: {base_url: 'https://api.test'}\n"
        "resources:\n"
        "- name: all_{dlt.config['kind']}\n"
        "  table_name: dlt.config['table']\n"
        "  endpoint: a\n"
    )
    known = {"kind": "posts", "table": "texts"}
    found = compile_document(
        read_text(text, file="d.yaml", suffix=".yaml", code=Code(lookup=known.get))
    )
    stream = found.need().streams[0]
    assert (stream.name, stream.table) == ("all_posts", "texts")
    found = compile_document(read_text(text, file="d.yaml", suffix=".yaml"))
    (said,) = found.diagnostics
    assert (said.code, said.place.line) == ("wrong-type", 3)
    assert said.message == "resources[0].name must be a text, not a reference without a value"
    assert said.hint == "it must be known by now: say its value, as in .dlt/config.toml"


# JSON.

TEXTS = st.text().filter(lambda text: scalar(text) == text)  # those that are no references
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_all_json_is_read(value, indent, ascii_only):
    """JSON without references is read as it is, however it is laid out and escaped."""
    document = json_of(json.dumps(value, indent=indent, ensure_ascii=ascii_only))
    assert document.diagnostics == []
    assert document.root.plain() == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": }', "1:7 json-syntax: this is not JSON: a value is missing here"),
        ('{"a": 1,}', "1:9 json-syntax: this is not JSON: a key in quotes is missing here"),
        ('{"a" 1}', "1:6 json-syntax: this is not JSON: a colon is missing here"),
        ("[1\n 2]", "2:2 json-syntax: this is not JSON: a comma or ']' is missing here"),
        ("[1] 2", "1:5 json-syntax: this is not JSON: something stands behind its end"),
        ("", "1:1 json-syntax: this is not JSON: it ends early"),
        ("[" * 5000, "1:202 json-syntax: this is not JSON: it is too deep or too large"),
    ],
)  # fmt: skip
def test_bad_json_is_one_error(text, expected):
    """What is no JSON is one error that says what is missing, and where."""
    assert said(json_of(text)) == [expected]


# Python.

SCRIPTS = [
    ("rest_api_source({'a': 1})", {"a": 1}),
    ("C = {'a': 1}\nrest_api_source(C)", {"a": 1}),
    ("BASE = 'x'\nrest_api_source({'a': BASE + '/y', 'b': f'{BASE}/z'})", {"a": "x/y", "b": "x/z"}),
    ("rest_api_resources(dict(a=1, b=[2, -3]))", {"a": 1, "b": [2, -3]}),
    ("config: RESTAPIConfig = {'a': 60 * 60}", {"a": 3600}),
    ("P = {'x': 1}\nrest_api_source({**P, 'y': (2, 3)})", {"x": 1, "y": [2, 3]}),
    ("A = [1]\nrest_api_source({'a': A + [2], 'b': [*A, 3]})", {"a": [1, 2], "b": [1, 3]}),
    ("def f(n=5):\n    c = {'a': n}\n    yield from rest_api_resources(c)", {"a": 5}),
    ("rest_api_source(config={'a': None})", {"a": None}),
    (
        "rest_api_source({'p': OffsetPaginator(100, total_path=None)})",
        {"p": {"limit": 100, "total_path": None, "type": "offset"}},
    ),
]


@pytest.mark.parametrize(("text", "expected"), SCRIPTS)
def test_scripts_are_read_without_running(text, expected):
    """Literals, names bound to them and the classes of dlt are known from the source alone."""
    document = python_of(text)
    assert document.diagnostics == []
    assert document.root.plain() == expected


REFERENCES = [
    ('dlt.secrets["a"]', SecretRef(name="a", read=True)),
    ('dlt.secrets["a"]["b"]', SecretRef(name="a.b", read=True)),
    ('dlt.config["a"]', SecretRef(name="a", secret=False, read=True)),
    ('dlt.config.get("a", 5)', SecretRef(name="a", secret=False, default=5)),
    ('os.environ["A"]', SecretRef(name="A")),
    ("dlt.secrets.value", SecretRef(name="k")),
    ("token", SecretRef(name="token")),
]


@pytest.mark.parametrize(("text", "expected"), REFERENCES)
def test_references_in_scripts(text, expected):
    """Each way to write a secret or a config value is a reference."""
    script = f"def f(token=dlt.secrets.value):\n    return rest_api_source({{'k': {text}}})"
    document = python_of(script)
    assert document.diagnostics == []
    assert document.root.get("k").value == expected


@pytest.mark.parametrize("text", ["now()", "x if y else z", "lambda r: r", "CHANGED", "unknown"])
def test_what_must_be_run_is_said(text):
    """A value that only running the script gives is one error, in its place."""
    script = f"CHANGED = {{}}\nCHANGED['a'] = 1\nrest_api_source({{'k': {text}}})"
    document = python_of(script)
    expected = f"3:23 python-value: {text!r} is known only by running the script"
    assert said(document) == [expected]


def test_places_in_a_fenced_block():
    """Places are those of the whole document, in characters, also in an indented block."""
    text = "Text: é\n\n  ```python\n  x = 'é'; rest_api_source({'client': 1})\n  ```\n"
    found = compile_document(read_text(text, file="d.md", suffix=".md"))
    place = found.diagnostics[-1].place
    assert (place.line, text.split("\n")[3][place.column - 1 :]) == (4, "1})")


@pytest.mark.parametrize("word", ["", "python", "py3", "Python-outcome"])
def test_words_for_python_in_fences(word):
    """A fence says Python in several words."""
    text = f"```{word}\nrest_api_source({{'client': 1}})\n```\n"
    said = compile_document(read_text(text, file="d.md", suffix=".md")).diagnostics[-1]
    assert (said.code, said.place.line) == ("wrong-type", 2)


# Finding sources.


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("x/Git Hub.yaml", "git_hub"),
        ("000_8a.txt", "source_000_8a"),
        ("pipeline.py", "pipeline"),
        ("é.md", "source"),
    ],
)
def test_sources_are_named_after_their_file(file, name):
    """A source without a name is called after its file's stem."""
    assert source_name(file) == name


def test_an_unknown_source_names_the_nearest(tmp_path):
    """A source that is not there is an error with the nearest file or connector."""
    (tmp_path / "github.yaml").write_text("a: 1")
    with pytest.raises(PlanError) as caught:
        load(str(tmp_path / "githb.yaml"))
    assert caught.value.diagnostics[0].hint == f"did you mean {str(tmp_path / 'github.yaml')!r}?"
    with pytest.raises(PlanError, match="there is no source 'chatt'") as caught:
        load("chatt")
    assert caught.value.diagnostics[0].hint == "did you mean 'chat'?"


def test_a_module_attribute_is_a_source(tmp_path, monkeypatch):
    """An attribute of a module is a source, also a function that gives the configuration."""
    (tmp_path / "my_sources_here.py").write_text(
        "config = {'client': {'base_url': 'u'}, 'resources': ['a']}\n"
        "def made():\n    return config\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for attribute in ("config", "made"):
        found = compile_document(load(f"my_sources_here:{attribute}"))
        assert found.name == attribute
        assert [s.name for s in found.need().streams] == ["a"]
    with pytest.raises(PlanError, match="has no attribute 'conf'") as caught:
        load("my_sources_here:conf")
    assert caught.value.diagnostics[0].hint == "did you mean my_sources_here:config?"


def test_a_file_that_is_no_text(tmp_path):
    """A file that is not UTF-8 is an error, not a crash."""
    (tmp_path / "x.yaml").write_bytes(b"a: \xff")
    with pytest.raises(PlanError, match="is not UTF-8 text"):
        load(str(tmp_path / "x.yaml"))


def test_a_large_document_is_read_quickly():
    """A megabyte of configuration compiles in a few seconds at most."""
    columns = {f"c{n}": {"data_type": "text"} for n in range(40)}
    listed = [{"name": f"r{n}", "columns": columns, "endpoint": f"r/{n}"} for n in range(600)]
    text = json.dumps({"client": {"base_url": "u"}, "resources": listed})
    started = time.process_time()
    found = compile_document(read_text(text, file="d.json", suffix=".json"))
    assert len(found.need().streams) == 600
    assert time.process_time() - started < 8


def test_a_place_without_lines_is_a_path():
    """What is wrong in Python values is placed by the path of keys."""
    config = {"client": {"base_url": "u"}, "resources": [{"name": "a", "endpint": "x"}]}
    (found,) = compile_document(Document.from_object(config, "doc")).diagnostics
    assert str(found) == (
        "doc: resources[0].endpint: error[unknown-key]: a resource has no key 'endpint'"
        " (did you mean 'endpoint'?)"
    )
