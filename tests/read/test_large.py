"""Large answers: others go on while one is taken apart."""

from __future__ import annotations

import threading

import pytest
from tests.support.api import Api, answer, read_all, source, stream

from penstock.plan.decoder import Decoder
from penstock.plan.pagination import SinglePage
from penstock.plan.records import Keys, Records
from penstock.read import fetch

CSV = Decoder(format="csv")


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that answers are decoded in, whenever one is."""
    names: list[str] = []
    decode = fetch.decode

    def noted(*given):
        names.append(threading.current_thread().name)
        return decode(*given)

    monkeypatch.setattr(fetch, "decode", noted)
    return names


def read(body: bytes, decoder: Decoder):
    records = Records(path=Keys(path=()))
    plan = source(stream(records=records, decoder=decoder, pagination=SinglePage()))
    return read_all(plan, Api(lambda _: answer(body=body)))


@pytest.mark.parametrize(
    ("decoder", "begin", "row", "large"),
    [
        (CSV, b"a,b\n", b"1,2\n", 20_000),
        (Decoder(), b'[{"a": "0"}', b',{"a": "1", "b": "2"}\n', 200_000),
    ],
)
def test_a_large_answer_is_taken_apart_in_a_thread(threads, decoder, begin, row, large):
    """A small one where the requests are made: a thread would take longer than that."""
    end = b"]" if begin.startswith(b"[") else b""
    few, many = (read(begin + row * count + end, decoder) for count in (10, large))
    assert threads[0] == threading.main_thread().name
    assert threads[1].startswith("components")
    first = begin.count(b"{")
    assert [len(found.rows()) for found in (few, many)] == [10 + first, large + first]


def test_what_is_wrong_with_a_large_answer_is_told(threads):
    """And what was put right in it is counted, as in a small one."""
    broken = read(b'{"a": ' + b" " * 5_000_000, Decoder())
    assert broken.error().code == "undecodable"
    mended = read(b'[{"a": NaN}' + b" " * 5_000_000 + b"]", Decoder())
    assert mended.tally().mended == {"no-number": 1}
    assert {name.split("_")[0] for name in threads} == {"components"}
