"""Answers that APIs should not give: bodies of known kinds, and what may be wrong with any."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import msgspec
from tests.fuzz.mutate import Chooser, mutated, odd, pick
from tests.support.api import answer

from penstock.plan.page import HttpResponse

RECORDS: tuple[dict[str, Any], ...] = (
    {"id": 1, "at": "2024-01-02T00:00:00Z", "name": "x", "tags": [1, 2], "in": {"a": 1.5}},
    {"id": "b", "at": 5, "updated": None, "list": [{"a": [{"b": 1}]}, {"a": None}]},
    {"id": 3, "at": 1_704_153_600, "odd": "word", "Id": 4, "a b": True, "a_b": "2024-01-02"},
)
PAGES: tuple[Any, ...] = (
    {"data": list(RECORDS), "next": None, "total": 3, "access_token": "t", "expires_in": 100},
    list(RECORDS),
    {
        "data": [RECORDS[2]],
        "next": "https://api.test/x?page=2",
        "total": "9",
        "total_pages": 4,
        "next_cursor": "c3",
        "has_more": True,
        "rows": [{"id": 4}],
        "items": [{"id": None}],
        "status": "ready",
        "urls": ["https://api.test/f"],
    },
    *({"data": []}, None, "x", 5, {}, [[1]], {"data": {"a": {"id": 1}}}, {"data": [1, "a", [{}]]}),
)
_NEXT = {"Link": '<https://api.test/z>; rel="next"', "X-Total": "7"}
ANSWERS: tuple[HttpResponse, ...] = (
    *map(answer, PAGES),
    answer(body=b"id,at\n1,2\n"),
    answer(body=b""),
    answer(body=b"<a><b>1</b></a>"),
    answer(body=b'{"data":[{"id":1e400,"at":1e400,"n":%s}]}' % (b"9" * 5000)),
    answer({"error": "no"}, status=404),
    answer({"error": "no"}, status=429, headers={"Retry-After": "3"}),
    answer({}, status=500),
    answer({}, status=401),
    answer({}, status=302, headers={"Location": "https://api.test/y"}),
    answer({"data": [{"id": 7}]}, headers=_NEXT),
    answer({"data": []}),
)

# Pieces of bytes that are more than one letter to those who read them.
PIECES = (
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xff",
        b"\xc3(",
        b"\xed\xa0\x80",
        b"\x00",
        b"\\u0000",
        b"\\u",
    ),
    *(b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\x", b"\\", b'"', b"'", b"{", b"}", b"[", b"]"),
    *(
        b",",
        b":",
        b"{}",
        b"[]",
        b"null",
        b"true",
        b"tru",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"-1e999",
    ),
    *(
        b"-",
        b"01",
        b"1.",
        b".5",
        b"1E",
        b"-0",
        b"-0.0",
        b"9" * 19,
        b"9" * 30,
        b"9" * 5000,
        b"1" * 400,
    ),
    *(
        b"0.1" + b"1" * 40,
        b"1.10",
        b"[" * 300,
        b"[" * 3000,
        b'{"a":' * 300,
        b"]" * 300,
        b"/**/",
        b"//",
    ),
    *(
        b"<html>",
        b"\n",
        b"\r\n",
        b"\t",
        b"\x0b",
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b'"data":',
        b'"id":',
    ),
    *(b'{"id":1}', b'{"id":1,"id":2}', b'{"":1}', b'"2024-01-02T00:00:00Z"', b'"0000-00-00"'),
    *(
        b"<a>" * 1500,
        b"</r>",
        b"<!DOCTYPE d [",
        b'<!ENTITY e "e">',
        b"&e;",
        b"]]>",
        b"<?x",
        b"<html>",
    ),
    *(b"\r", b'"' * 3, b"," * 50, b"x" * 140_000, b"\x01\x00", b"\x63\x00", b"PK\x01\x02", b"\x1a"),
    *(b"undefined", b"None", b"True", b"\x1f\x8b\x08", b"PK\x03\x04", b"a" * 5000),
)

CSV = b'id,at,name\r\n1,2024-01-02,"a ""b"", c"\r\n2,,\r\n'
XML = b'<?xml version="1.0" encoding="utf-8"?><d a="1"><r id="1">x</r><r><![CDATA[y]]>&amp;</r></d>'
LINES = b'{"id":1,"at":"x"}\n{"id":2}\n\n[{"id":3}]\n'


def _archive(*texts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as held:  # as if of 1980, so that it is always the same
        for number, text in enumerate(texts):
            held.writestr(zipfile.ZipInfo(f"d/{number}.json"), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()


# Bodies of other kinds than JSON.
OTHERS = (
    *(CSV, XML, LINES, gzip.compress(LINES, mtime=0)),
    *(_archive(CSV), _archive(b'{"data":[{"id":1}]}', b'{"data":[]}')),
)


def garbled(body: bytes, choose: Chooser) -> bytes:
    """A body with pieces that were cut, doubled, moved or put in."""
    for _ in range(pick(choose, (1, 1, 2, 4))):
        start = choose.below(len(body) + 1)
        end = min(len(body), start + pick(choose, (0, 1, 1, 3, 20, 200)))
        match choose.below(6):
            case 0:
                body = body[:start]
            case 1:
                body = body[:start] + body[end:]
            case 2:
                body = body[:end] + body[start:end] + body[end:]
            case 3:
                body = body[:start] + bytes([choose.below(256)]) + body[end:]
            case _:
                body = body[:start] + pick(choose, PIECES) + body[end:]
    return body


def body(choose: Chooser) -> bytes:
    """The body of an answer, which is near to a right one."""
    if choose.below(4) == 0:
        text = pick(choose, OTHERS)
        return garbled(text, choose) if choose.below(4) else text
    page = pick(choose, PAGES)
    if choose.below(2):
        page = mutated({"page": page}, choose, PAGES).get("page", odd(choose))
    try:
        text = msgspec.json.encode(page)
    except (UnicodeEncodeError, RecursionError):
        text = b'{"data":[{"id":"\\ud800"}]}'
    return garbled(text, choose) if choose.below(2) else text


def answers(choose: Chooser) -> Sequence[HttpResponse]:
    """What an API answers with, in any order: right, wrong, and the same once more at the end."""
    made = [answer(body=body(choose)) for _ in range(choose.below(4))]
    return (*ANSWERS, *made)
