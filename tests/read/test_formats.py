"""Bodies that are not one JSON value: whatever is in them, they are records, or one error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from typing import Any

import pytest

from penstock.errors import BodyError, CapError
from penstock.plan.decoder import Decoder
from penstock.plan.records import Keys
from penstock.read.decode import Wanted, decode
from penstock.read.transport import MAX_BODY

CSV = Decoder(format="csv")
XML = Decoder(format="xml")
LINES = Decoder(format="jsonl")
ZIP = Decoder(zip=True)


def read(body: bytes, decoder: Decoder, most: int = MAX_BODY) -> list[Any]:
    """The records of a body."""
    found = decode(body, decoder, Wanted(records=Keys(path=()), most=most))
    return [json.loads(bytes(record)) for record in found.records]


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as held:
        for name, data in members:
            held.writestr(name, data)
    return made.getvalue()


ONE = archive(("a.json", b'{"a":1}'))
RIGHT = {
    "a long field": (b"a,b\n1," + b"x" * 200_000, CSV, [{"a": "1", "b": "x" * 200_000}]),
    "lines that end in CR": (b"a,b\r1,2\r3,4", CSV, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
    "lines in a field": (b'a,b\r\n1,"x\r\ny\rz"\r\n', CSV, [{"a": "1", "b": "x\r\ny\rz"}]),
    "a mark before lines": (b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', LINES, [{"a": 1}, {"a": 2}]),
    "a mark before names": (b"\xef\xbb\xbfid,b\n1,2", CSV, [{"id": "1", "b": "2"}]),
    "a mark before a quote": (b'\xef\xbb\xbf"id",b\n1,2', CSV, [{"id": "1", "b": "2"}]),
    "a mark before plain lines": (
        b"\xef\xbb\xbfx\ny",
        Decoder(format="lines"),
        [{"record": "x"}, {"record": "y"}],
    ),
    "a folder of an archive": (archive(("d/", b""), ("d/a.json", b'{"a":1}')), ZIP, [{"a": 1}]),
    "a way out of an archive": (archive(("../../x.json", b'{"a":1}')), ZIP, [{"a": 1}]),
    "no files": (archive(), ZIP, []),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_is_odd_and_right_is_read(what: str):
    """As it stands there."""
    body, decoder, expected = RIGHT[what]
    assert read(body, decoder) == expected


WRONG = {
    "a page in place of a table": (b" <!DOCTYPE html><html>no</html>", CSV, "an HTML page"),
    "no UTF-8": (b"a\n\xff", CSV, "not CSV"),
    "another encoding that fails": (b"a\xff", Decoder(format="csv", encoding="idna"), "not CSV"),
    "lines in such an encoding": (b"a\xff", Decoder(format="lines", encoding="idna"), "not text"),
    "half of a surrogate pair": (
        b"a\n\\ud800",
        Decoder(format="csv", encoding="unicode_escape"),
        "not CSV",
    ),
    # How deep Python itself goes is its version's.
    "an element in 50,000 others": (b"<a>" * 50_000 + b"</a>" * 50_000, XML, "not XML: .* deeply"),
    "an element in 100,000 others": (b"<a>" * 100_000, XML, "not XML"),
    "an encoding that there is not": (
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        XML,
        "not XML",
    ),
    "no element": (b"", XML, "not XML"),
    "a line in 100,000 lists": (b"[" * 100_000, LINES, "not JSON"),
    "no archive": (b'{"data":[]}', ZIP, "not a zip archive"),
    "the beginning of an archive": (ONE[:30], ZIP, "not a zip archive"),
    "an archive whose end lies": (ONE[:-6] + b"\xff\xff\x00\x7f\x00\x00", ZIP, "not a zip archive"),
    "an archive with a password": (
        ONE.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
        ),
        ZIP,
        "not a zip archive .* encrypted",
    ),
    "an archive that nobody unpacks": (
        ONE.replace(b"\x08\x00", b"\x63\x00"),
        ZIP,
        "not a zip archive",
    ),
    "gzip that ends early": (gzip.compress(b"{}" * 99)[:-9], Decoder(gzip=True), "not gzip"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_an_error_that_says_so(what: str):
    """One that may be asked again, and never an exception of a library."""
    body, decoder, words = WRONG[what]
    with pytest.raises(BodyError, match=words) as caught:
        read(body, decoder)
    assert caught.value.code == "undecodable"
    assert caught.value.retriable


def test_entities_are_not_expanded():
    """Neither those that grow without an end, nor those that are files; and none is left out."""
    head = (
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "%s"><!ENTITY f SYSTEM "file:///etc/hosts">'
    )
    more = b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 9) for i in range(4))
    body = head % (b"a" * 99) + more + b"]><l><x>&e;</x><y>&f;</y></l>"
    with pytest.raises(BodyError, match="it declares entities"):
        read(body, XML)


def test_the_files_of_an_archive_are_bounded_together():
    """Many files are no way around the bound of one."""
    ten = archive(*((f"{n}.txt", b"x" * 90) for n in range(10)))
    lines = Decoder(zip=True, format="lines")
    assert len(read(ten, lines, most=1_000)) == 10
    eleven = archive(*((f"{n}.txt", b"x" * 91) for n in range(11)))
    with pytest.raises(CapError, match="unpacks to more than 1,000 bytes") as caught:
        read(eleven, lines, most=1_000)
    assert caught.value.code == "body-too-large"
    assert "--max-body" in str(caught.value.hint)


@pytest.mark.parametrize("packing", ["gzip", "zip"])
def test_a_bound_is_one_of_what_is_unpacked(packing: str):
    """However small the answer is."""
    plain = b"a\n" + b"1" * 2_000
    packed = gzip.compress(plain) if packing == "gzip" else archive(("a.csv", plain))
    decoder = Decoder(format="csv", gzip=packing == "gzip", zip=packing == "zip")
    assert read(packed, decoder, most=len(plain)) == [{"a": "1" * 2_000}]
    with pytest.raises(CapError, match="unpacks to more than 2,001 bytes"):
        read(packed, decoder, most=len(plain) - 1)


def test_rows_are_those_of_the_standard_library():
    """Whatever is short, long, empty, quoted or named twice."""
    chance = random.Random(5)
    cells = ["", "a", "b", "x,y", 'q"q', "two\r\nlines", "NULL", " ", "ü"]

    def line() -> list[str]:
        return [chance.choice(cells) for _ in range(chance.randrange(5))]

    for _ in range(500):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([line() for _ in range(chance.randrange(6))])
        body = text.getvalue()
        rows = csv.DictReader(io.StringIO(body, newline=""), restkey="null")
        assert read(body.encode(), CSV) == list(rows)
        nulls = [
            {k: None if v in {"NULL", ""} else v for k, v in row.items() if not isinstance(v, list)}
            for row in csv.DictReader(io.StringIO(body, newline=""), restkey="null")
        ]
        found = read(body.encode(), Decoder(format="csv", nulls=("NULL", "")))
        assert [{k: v for k, v in r.items() if not isinstance(v, list)} for r in found] == nulls
