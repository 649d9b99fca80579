"""The HTTP client at its edges: what it does when it is cancelled, capped or kept waiting."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from penstock.emulator import EmulatorServer, Settings
from penstock.errors import CapError, OriginError, ReadError, TransportError
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.read import transport
from penstock.read.addresses import is_public
from penstock.read.transport import Bounds, Http


def test_a_request_whose_answer_is_there_can_still_be_cancelled() -> None:
    """A wish to be cancelled is heeded although the answer came before it could be."""

    async def ask(server: EmulatorServer) -> bool:
        http = Http()
        task = asyncio.create_task(http.send(HttpRequest(method="GET", url=server.url)))
        await asyncio.sleep(0)
        # The loop stands still, so that the answer is in the client's hands when the wish comes.
        pause = threading.Event()
        for _ in range(1000):
            if server.log:
                break
            pause.wait(0.01)
        pause.wait(0.05)
        in_time = task.cancel()
        await asyncio.wait([task])
        await http.close()
        return task.cancelled() is in_time

    with EmulatorServer("chat") as server:
        assert all(asyncio.run(ask(server)) for _ in range(10))


def test_a_machine_without_certificates_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The client reads those of the system when it is made, whatever is asked."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))

    with pytest.raises(ReadError, match=r"cannot be set up: .*certificates") as failed:
        sent("", Bounds())

    assert failed.value.code == "client"
    assert "SSL_CERT_FILE" in str(failed.value.hint)


def sent(rule: str, bounds: Bounds, **words: Any) -> HttpResponse:
    """The answer of a server that goes wrong, to a client of these bounds."""

    async def ask(url: str) -> HttpResponse:
        http = Http(bounds, **words)
        try:
            return await http.send(HttpRequest(method="GET", url=f"{url}/v1/messages"))
        finally:
            await http.close()

    settings = Settings(rules=(rule,) if rule else (), slow_s=0.05, bomb_mb=8)
    with EmulatorServer("chat", settings) as server:
        return asyncio.run(ask(server.url))


@pytest.mark.parametrize("kind", ["gzip-bomb", "deflate-bomb"])
def test_a_bomb_without_a_length_is_stopped_by_its_ratio(kind: str) -> None:
    """What a chunked body unpacks to is set against what came over the wire."""
    with pytest.raises(CapError, match="unpacks to more than 200 times") as caught:
        sent(f"{kind}@1", Bounds())
    assert caught.value.code == "body-ratio"


def test_a_body_is_as_large_as_it_may_be() -> None:
    """The bound can be set; what is unpacked counts."""
    with pytest.raises(CapError, match="larger than 90 bytes") as caught:
        sent("", Bounds(body=90))
    assert "--max-body" in str(caught.value.hint)
    assert sent("", Bounds(body=5000)).status == 401


def test_a_byte_at_a_time_is_given_up() -> None:
    """A server that sends, but hardly, does not hold a run up until its longest wait."""
    with pytest.raises(TransportError, match="comes too slowly") as caught:
        sent("slow@1", Bounds(patience=0.2, least_rate=1e6))
    assert caught.value.code == "timeout"


def test_headers_have_a_largest_size() -> None:
    """A header of 100,000 bytes is no header."""
    with pytest.raises(CapError, match="bytes of headers, more than 65,536") as caught:
        sent("fat-header@1", Bounds())
    assert caught.value.code == "headers-too-large"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1"),
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    """Private, loopback, link-local, shared and wrapped addresses are told from public ones."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_that_are_public(address: str) -> None:
    """What is public may be asked."""
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_private_addresses_are_denied_where_that_is_asked_for(host: str) -> None:
    """However the address is written, it is looked at before anything is sent."""

    async def ask(url: str) -> None:
        http = Http(deny_private=True)
        try:
            await http.send(HttpRequest(method="GET", url=url))
        finally:
            await http.close()

    with EmulatorServer("chat") as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(OriginError, match="not a public address") as caught:
            asyncio.run(ask(f"http://{host}:{port}/v1/messages"))
        assert caught.value.code == "private-address"
        assert server.log == []


def test_the_client_is_given_a_moment_at_the_end(monkeypatch):
    """Its thread may still hold a failed request, and would abort an interpreter that is gone.

    Where no request failed there is nothing to wait for: a run with nothing new is short.
    """
    held = []
    monkeypatch.setattr(transport.atexit, "register", lambda *call: held.append(call))
    transport._let_end.cache_clear()

    async def ask(url: str) -> None:
        http = Http()
        try:
            await http.send(HttpRequest(method="GET", url=url))
        finally:
            await http.close()

    with EmulatorServer("chat") as server:
        asyncio.run(ask(f"{server.url}/v1/messages"))
    assert held == []
    for _ in range(2):
        with pytest.raises(TransportError):
            asyncio.run(ask("http://127.0.0.1:9/"))
    assert held == [(time.sleep, transport._LAST_MOMENT)]


def test_a_connection_that_lay_idle_is_not_used_again() -> None:
    """Servers close those, most after five seconds: what is sent just then is lost."""

    async def serve(pauses: list[float], bounds: Bounds) -> int:
        opened: list[asyncio.StreamWriter] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            opened.append(writer)
            while await reader.readline():
                while (await reader.readline()).strip():
                    pass
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        http = Http(bounds)
        for pause in pauses:
            await asyncio.sleep(pause)
            await http.send(HttpRequest(method="GET", url=url))
        await http.close()
        server.close()
        for writer in opened:
            writer.close()
            await writer.wait_closed()
        return len(opened)

    assert asyncio.run(serve([0, 0, 0.4], Bounds(idle=0.1))) == 2
    assert asyncio.run(serve([0, 0, 0.4], Bounds())) == 1


CLIENTS = """
import time
from penstock.read.transport import Http

for _ in range(20):
    Http()._built()
    time.sleep(0.02)  # the thread that made it ends
"""


def test_a_process_makes_one_client_after_the_other() -> None:
    """Each run has one: the library dies with a thread that has imported it."""
    done = subprocess.run([sys.executable, "-c", CLIENTS], check=False, timeout=60)
    assert done.returncode == 0
