"""Answers that are not in UTF-8, or say that they are not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fuzz.test_pinned import config, manifest, stream
from tests.support.api import Api, Read, answer, read_all

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.read import mend
from penstock.read.decode import whole_json

TEXT = '{"data":[{"id":1,"name":"caf\u00e9 \u20ac \u65e5\u672c"}]}'
LATIN = '{"data":[{"id":1,"name":"caf\u00e9"}]}'
DOCUMENTS: dict[str, Any] = {"dlt": config(), "airbyte": manifest(stream())}


def read(document: Any, body: bytes, content_type: str = "application/json", **more: Any) -> Read:
    """What a document gives of one answer."""
    made = answer(body=body, headers={"Content-Type": content_type}, **more)
    source = compile_document(Document.from_object(document, "test"), None).need()
    return read_all(source, Api(lambda _asked: made))


def name_in(found: Read) -> Any:
    """The name in its one record."""
    (row,) = found.rows("things")
    return row["name"]


@pytest.mark.parametrize("dialect", DOCUMENTS)
@pytest.mark.parametrize(
    ("encoding", "content_type"),
    [
        ("latin-1", "application/json; charset=ISO-8859-1"),
        ("latin-1", 'application/json;Charset="iso-8859-1"; x=y'),
        ("cp1252", "application/json; charset=windows-1252"),
        ("latin-1", "text/plain"),
    ],
)
def test_an_answer_is_in_what_it_says(dialect: str, encoding: str, content_type: str):
    """Its values land as they were meant."""
    found = read(DOCUMENTS[dialect], LATIN.encode(encoding), content_type)
    assert name_in(found) == "caf\u00e9"
    assert not found.contexts["things"].tally.mended


@pytest.mark.parametrize("dialect", DOCUMENTS)
def test_letters_of_an_answer_that_is_not_what_it_says_are_marked(dialect: str):
    """And they are counted."""
    found = read(DOCUMENTS[dialect], LATIN.encode("latin-1"), "application/json; charset=utf-8")
    assert name_in(found) == "caf\ufffd"
    assert found.contexts["things"].tally.mended == {"bad-text": 1}


@pytest.mark.parametrize("dialect", DOCUMENTS)
@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "big5", "euc_jp"])
def test_letters_of_several_bytes_are_read(dialect: str, encoding: str):
    """In some of these encodings the second byte of a letter is a backslash or a brace."""
    text = '{"data":[{"id":1,"name":"\u8868\u793a \u65e5"}]}'
    found = read(DOCUMENTS[dialect], text.encode(encoding), f"text/json; charset={encoding}")
    assert name_in(found) == "\u8868\u793a \u65e5"


@pytest.mark.parametrize("dialect", DOCUMENTS)
@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "application/json; charset=iso-8859-1",
            "text/plain",
            "application/json; charset=klingon",
        ),
        *("application/json; charset=idna", "application/json; charset=zlib", ""),
    ],
)
def test_what_is_utf_8_is_read_so(dialect: str, content_type: str):
    """Whatever it says: JSON has no other encoding, and few texts in another are UTF-8 as well."""
    assert name_in(read(DOCUMENTS[dialect], TEXT.encode(), content_type)).startswith("caf\u00e9 ")


@pytest.mark.parametrize("dialect", DOCUMENTS)
@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_wide_letters_are_seen_in_the_first_ones(dialect: str, encoding: str):
    """With a byte order mark or without, and whatever is said."""
    for content_type in ("application/json", f"application/json; charset={encoding}"):
        found = read(DOCUMENTS[dialect], TEXT.encode(encoding), content_type)
        assert name_in(found).endswith("\u65e5\u672c")


@pytest.mark.parametrize("body", [b"5", b"[]", b'""', b"null", b"{}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-le", "utf-32-be"])
def test_short_answers_are_told_apart_too(body: bytes, encoding: str):
    """Two letters, or a mark and one, are enough."""
    if encoding.endswith("e") and len(body) < 2:
        return
    assert whole_json(body.decode().encode(encoding)) == whole_json(body)


@pytest.mark.parametrize(
    "charset", ["punycode", "utf-7", "unicode_escape", "hex", "a.b", "iso-8859-"]
)
def test_no_other_codec_is_let_at_an_answer(charset: str):
    """Some take a time that grows with the square of the size; others are not of texts."""
    body = b'"caf\xe9"'
    assert mend.declared(body, f"application/json; charset={charset}") is body


def test_the_status_of_an_answer_that_is_none_is_said():
    """An empty body is less of a riddle then."""
    (lost,) = read(DOCUMENTS["dlt"], b"", status=304).lost()
    assert lost.error.message.startswith("page 1: status 304: the answer is not JSON")
