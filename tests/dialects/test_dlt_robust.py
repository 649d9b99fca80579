"""Whatever a document holds, compiling it ends in a plan or in diagnostics."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock
from penstock.codes import CODES
from penstock.dialects import compile_document
from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Document
from penstock.dialects.loading import read_text

WHOLE = {
    "client": {
        "base_url": "https://api.test",
        "headers": {"X-A": "1"},
        "auth": {"type": "oauth2", "token_url": "u", "client_id": "a", "client_secret": "b"},
        "paginator": {"type": "cursor", "limit": 20, "cursor_path": "links.next.href"},
        "retry": {"max_retries": 2, "backoff_factor": 1.5, "statuses": [500]},
        "rate_limit": {"calls": 5, "seconds": 1},
        "concurrency": 4,
    },
    "inputs": {"n": {"secret": False, "default": 3}},
    "resource_defaults": {
        "primary_key": "id",
        "write_disposition": "merge",
        "endpoint": {"params": {"a": 1}},
    },
    "resources": [
        "plain",
        {"name": "users", "endpoint": "users", "columns": {"id": {"data_type": "text"}}},
        {
            "name": "chats",
            "include_from_parent": ["name"],
            "endpoint": {
                "path": "users/{{ stream_partition['user_id'] }}/chats",
                "response_actions": [{"status_code": 404, "action": "ignore"}],
                "paginator": {"type": "page_number", "page_param": "p", "limit": 9},
            },
        },
        {
            "name": "lines",
            "schema_contract": {"columns": "freeze"},
            "endpoint": {
                "path": "chats/{resources.chats.id}/lines",
                "method": "POST",
                "json": {"since": "{incremental.start_value}"},
                "params": {"x": {"type": "incremental", "cursor_path": "t"}},
                "incremental": {"cursor_path": "t", "step": {"days": 'dlt.config["n"]'}},
                "paginator": {"type": "offset", "limit": 5, "total_path": "a.b[0]"},
            },
        },
    ],
}


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for nth, inner in enumerate(value):
            yield from paths(inner, (*path, nth))


ALL = [path for path in paths(WHOLE) if path]
WORDS = st.sampled_from(
    ["type", "name", "path", "{a", "{a.b}", "{resources.users.id}", "$[?", "a..b", "", "cursor",
     "offset", "resolve", "{{ stream_partition['x_id'] }}", "merge", 'dlt.secrets["s"]', "P1D"]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=4,
)


@given(st.lists(st.tuples(st.sampled_from(ALL), JUNK, st.sampled_from(["set", "drop", "add"]))))
@settings(max_examples=200, deadline=None)
def test_no_document_breaks_the_compiler(changes):
    """A document with anything anywhere gives a plan, or errors, and never an exception."""
    config = json.loads(json.dumps(WHOLE))
    for path, junk, how in changes:
        change(config, path, junk, how)
    found = compile_document(Document.from_object(config, "s"))
    assert isinstance(found, Compiled)
    assert found.ok != any(d.severity == "error" for d in found.diagnostics)
    assert all(d.code in CODES for d in found.diagnostics)


def change(config, path, junk, how):
    held = config
    try:
        for key in path[:-1]:
            held = held[key]
        if how == "set":
            held[path[-1]] = junk
        elif how == "add":
            held[str(junk)] = junk
        else:
            del held[path[-1]]
    except (KeyError, IndexError, TypeError):
        return


def test_the_whole_document_compiles_but_for_its_conflict():
    """The document that is changed above is itself understood."""
    found = compile_document(Document.from_object(WHOLE, "s"))
    assert [d.code for d in found.diagnostics if d.severity == "error"] == []


@given(st.text(max_size=80), st.sampled_from([".yaml", ".json", ".py", ".md"]))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_readers(text, suffix):
    """Any text at all is a document, or errors, and never an exception."""
    assert isinstance(compile_document(read_text(text, file="x", suffix=suffix)), Compiled)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_cut_breaks_the_readers(data):
    """A document that breaks off anywhere is a document, or errors, and never an exception."""
    text = json.dumps(WHOLE, indent=1)
    cut = text[: data.draw(st.integers(0, len(text)))]
    for suffix, whole in ((".json", cut), (".yaml", cut), (".py", f"rest_api_source({cut}")):
        assert isinstance(compile_document(read_text(whole, file="x", suffix=suffix)), Compiled)


# Codes.

_CODE = re.compile(
    r"""(?:\.error|\.warn|_fail)\(\s*"([a-z][a-z-]+)"|\.say\(\s*"(?:error|warning)",\s*"([a-z][a-z-]+)"
        |\bcode="([a-z][a-z-]+)\"""",
    re.VERBOSE,
)


def used_codes():
    root = Path(penstock.__file__).parent
    for folder in ("dialects", "plan"):
        for file in sorted((root / folder).rglob("*.py")):
            if "airbyte" not in file.relative_to(root).parts:
                for found in _CODE.finditer(file.read_text("utf-8")):
                    yield next(code for code in found.groups() if code), file.name


def test_every_code_has_its_sentence():
    """Each code that is used is in the table, and each in the table is a sentence."""
    missing = sorted({(code, file) for code, file in used_codes() if code not in CODES})
    assert missing == []
    assert all(text[0].isupper() and text.endswith(".") for text in CODES.values())


@pytest.mark.parametrize("code", ["unknown-key", "link-as-cursor", "parent-cycle", "yaml-syntax"])
def test_codes_are_found_in_the_source(code):
    """The search for codes finds those of each way to say one."""
    assert code in {found for found, _ in used_codes()}
