"""Faults of bodies: answers that arrive whole and say something wrong, odd or broken."""

from __future__ import annotations

import gzip
from urllib.parse import urlsplit

import msgspec

from penstock.emulator.hits import Hit, Table
from penstock.emulator.replies import Answer

BODY_FAULTS = Table()
DIGITS = 1000
DEPTH = 10_000
KEY_BYTES = 100_000
_MEGABYTE = 1 << 20


def _with(answer: Answer, body: bytes, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=answer.status, body=body, headers={**answer.headers, **named})


def _insert(answer: Answer, field: bytes) -> Answer:
    """Put a field first into the first record; an answer without records stays as it is."""
    if answer.inside is None:
        return answer
    head, tail = answer.body[: answer.inside], answer.body[answer.inside :]
    return _with(answer, head + field + b"," + tail)


def _refill(answer: Answer, inner: bytes) -> Answer:
    """Put other text where the page's records stand; an answer that is no page stays as it is."""
    if answer.span is None:
        return answer
    start, end = answer.span
    return _with(answer, answer.body[:start] + inner + answer.body[end:])


# Whole bodies.


@BODY_FAULTS.altered("truncated", "cuts the JSON short, with the length of what is sent")
def _truncated(_hit: Hit, answer: Answer) -> Answer:
    return _with(answer, answer.body[: len(answer.body) * 2 // 3])


@BODY_FAULTS.instead("html", "answers 200 with an HTML page")
def _html(_hit: Hit) -> Answer:
    body = b"<!doctype html><title>Maintenance</title><h1>We'll be right back</h1>"
    return Answer(body=body, headers={"Content-Type": "text/html; charset=utf-8"})


@BODY_FAULTS.instead("empty-body", "answers 200 with no body at all")
def _empty(_hit: Hit) -> Answer:
    return Answer()


@BODY_FAULTS.instead("error-200", "answers 200 with a JSON error in place of records")
def _error(_hit: Hit) -> Answer:
    return Answer(body=b'{"error":{"code":"internal","message":"something went wrong"}}')


@BODY_FAULTS.instead("null-body", "answers 200 with the JSON text null")
def _null(_hit: Hit) -> Answer:
    return Answer(body=b"null")


@BODY_FAULTS.altered("bom", "puts a byte order mark before the JSON")
def _bom(_hit: Hit, answer: Answer) -> Answer:
    return _with(answer, b"\xef\xbb\xbf" + answer.body)


@BODY_FAULTS.altered("trailing-junk", "adds text after the end of the JSON")
def _junk(_hit: Hit, answer: Answer) -> Answer:
    return _with(answer, answer.body + b"\n<!-- served by node 3 -->")


@BODY_FAULTS.altered("gzip-broken", "claims gzip and sends a damaged stream")
def _gzip_broken(_hit: Hit, answer: Answer) -> Answer:
    packed = bytearray(gzip.compress(answer.body, 1))
    middle = len(packed) // 2
    packed[middle : middle + 8] = b"\xff" * 8
    return _with(answer, bytes(packed[:-9]), Content_Encoding="gzip")


@BODY_FAULTS.altered("gzip-unsaid", "claims gzip and sends plain text")
def _gzip_unsaid(_hit: Hit, answer: Answer) -> Answer:
    return _with(answer, answer.body, Content_Encoding="gzip")


# Pages.


@BODY_FAULTS.altered("empty-page", "leaves out the page's records and keeps the rest")
def _empty_page(_hit: Hit, answer: Answer) -> Answer:
    return _refill(answer, b"")


@BODY_FAULTS.altered("same-page", "answers with the first page the path gave, whatever was asked")
def _same_page(hit: Hit, answer: Answer) -> Answer:
    return hit.first.get(hit.ask.path, answer)


@BODY_FAULTS.instead("shift-insert", "moves the page as if a record was added at the front")
def _inserted(hit: Hit) -> Answer:
    return hit.answer(-1)


@BODY_FAULTS.instead("shift-delete", "moves the page as if a record was deleted at the front")
def _deleted(hit: Hit) -> Answer:
    return hit.answer(1)


@BODY_FAULTS.altered("absent-path", "renames the field that holds the records")
def _absent(_hit: Hit, answer: Answer) -> Answer:
    return _with(answer, b'{"renamed":' + answer.body.partition(b":")[2])


@BODY_FAULTS.altered("scalars", "gives an array of numbers in place of records")
def _scalars(_hit: Hit, answer: Answer) -> Answer:
    return _refill(answer, b'1,2.5,"three",null,true')


@BODY_FAULTS.altered("json-text", "gives each page's records as one string of JSON text")
def _json_text(_hit: Hit, answer: Answer) -> Answer:
    start, end = answer.span or (0, 0)
    return _refill(answer, msgspec.json.encode(answer.body[start:end].decode()))


@BODY_FAULTS.altered("wrong-total", "changes the total that the page claims")
def _wrong_total(_hit: Hit, answer: Answer) -> Answer:
    body = answer.body
    for name in (b'"total":', b'"total_items":', b'"total_pages":'):
        body = body.replace(name, name + b"9")
    return _with(answer, body)


@BODY_FAULTS.altered("link-cycle", "lets the next link or cursor lead back to this page")
def _cycle(_hit: Hit, answer: Answer) -> Answer:
    body = answer.body
    for onward, here in answer.links:
        body = body.replace(b'"%s"' % onward.encode(), b'"%s"' % here.encode())
    return _with(answer, body)


@BODY_FAULTS.altered("cross-origin-link", "lets the next link lead to another origin")
def _foreign(hit: Hit, answer: Answer) -> Answer:
    body = answer.body
    for onward, _ in answer.links:
        if "/" in onward:
            parts = urlsplit(onward)
            away = f"{hit.elsewhere()}{parts.path}?{parts.query}"
            body = body.replace(b'"%s"' % onward.encode(), b'"%s"' % away.encode())
    return _with(answer, body)


# Records.


@BODY_FAULTS.altered("bad-utf8", "puts bytes that are not UTF-8 into a string")
def _bad_utf8(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":"caf\xe9 \xc3\x28 \xff"')


@BODY_FAULTS.altered("nan", "gives NaN and Infinity as numbers")
def _nan(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":NaN,"odder":-Infinity')


@BODY_FAULTS.altered("huge-int", "gives an integer of 1,000 digits")
def _huge(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":' + b"7" * DIGITS)


@BODY_FAULTS.altered("wide-int", "gives 2 to the 64th less one, and an integer of 30 digits")
def _wide(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":18446744073709551615,"odder":' + b"123456789" * 3 + b"012")


@BODY_FAULTS.altered("huge-float", "gives 1e400 and a decimal of 25 digits")
def _float(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":1e400,"odder":3.141592653589793238462643')


@BODY_FAULTS.altered("deep", "nests arrays 10,000 deep in a record")
def _deep(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":' + b"[" * DEPTH + b"]" * DEPTH)


@BODY_FAULTS.altered("duplicate-key", "gives one key of a record twice")
def _twice(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":"first","odd":"second"')


@BODY_FAULTS.altered("long-key", "gives a key of 100,000 bytes")
def _long_key(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"%s":1' % (b"k" * KEY_BYTES))


@BODY_FAULTS.altered("nul", "puts U+0000 into a string")
def _nul(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, rb'"odd":"a\u0000b"')


@BODY_FAULTS.altered("surrogate", "puts a lone surrogate into a string")
def _surrogate(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, rb'"odd":"a\ud83db"')


@BODY_FAULTS.altered("mixed-types", "gives an object where other records have none")
def _mixed(_hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":{"a":[1,"x",{"b":null}]}')


@BODY_FAULTS.altered("fat-record", "gives a record of `bomb_mb` megabytes")
def _fat(hit: Hit, answer: Answer) -> Answer:
    return _insert(answer, b'"odd":"%s"' % (b"x" * (hit.api.settings.bomb_mb * _MEGABYTE)))
