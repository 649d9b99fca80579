"""Data of an API in the path of a request, and names of a document in the paths of files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.support.api import BASE, Api, answer, read_all

from penstock.engine import compile_source

HOSTILE = (
    *("../admin?x=1#", "..", ".", "...", "../", "./x", "/", "//", "//evil.test/x", "///"),
    *("a/b", "a\\b", "\\\\evil", "..\\..\\x", "?x=1", "#f", "a?b#c", "&x=1", ";x=1", "a;b"),
    *("%2e%2e", "%2f", "%252e", "%", "%zz", "%00", "\0", "\r\nX-Evil: 1", "\n", "\t"),
    *(" ", "a b", "é", "\u202e", "\u2215", "\uff0e\uff0e", "https://evil.test/", "@evil.test"),
    *("user:pw@evil.test", ":80", "[::1]", "{id}", "{{ config }}", "$x", "~root", "*", "'--", '"'),
)
DLT = """
name: hostile
client: {{ base_url: "{base}" }}
resources:
  - name: parents
    endpoint: {{ path: /parents, data_selector: data, paginator: single_page }}
  - name: kids
    endpoint:
      path: "/v1/users/{{user}}/items"
      data_selector: data
      paginator: single_page
      params: {{ user: {{ type: resolve, resource: parents, field: id }} }}
"""


@pytest.mark.parametrize("value", HOSTILE)
def test_data_in_a_path_stays_one_segment(value: str, tmp_path: Path) -> None:
    """The request goes to the place of the document, with the value whole; or there is none."""
    document = tmp_path / "doc.yaml"
    document.write_text(DLT.format(base=BASE), "utf-8")
    source = compile_source(str(document)).need()
    api = Api(lambda asked: answer({"data": [{"id": value}] if asked.path == "/parents" else []}))
    read = read_all(source, api)
    asked = [request for request in api.requests if request.path != "/parents"]

    if not asked:
        assert [lost.error.code for lost in read.lost("kids")] == ["expr"]
        assert value in {"", ".", ".."}
        return
    (request,) = asked
    parts = urlsplit(request.url)
    pieces = parts.path.split("/")
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == (
        "https",
        "api.test",
        "",
        "",
    )
    assert (pieces[:3], pieces[4:]) == (["", "v1", "users"], ["items"])
    assert unquote(pieces[3]) == value
    assert all(" " < letter < "\x7f" for letter in request.url)


def test_there_are_many_values() -> None:
    """The corpus is not a handful."""
    assert len(set(HOSTILE)) >= 40


FILE = """
name: files
client: { base_url: "file:///etc/" }
resources: [{ name: passwd, endpoint: { path: passwd, paginator: single_page } }]
"""


def test_a_file_is_no_place_to_ask(tmp_path: Path) -> None:
    """A base URL of a file is refused before anything is opened."""
    document = tmp_path / "doc.yaml"
    document.write_text(FILE, "utf-8")
    compiled = compile_source(str(document))
    if compiled.source is None:
        assert {d.code for d in compiled.diagnostics} & {"url", "unknown-value", "wrong-type"}
        return
    api = Api(lambda _asked: answer([]))
    assert [lost.error.code for lost in read_all(compiled.source, api).lost()] == ["url"]
    assert api.requests == []
