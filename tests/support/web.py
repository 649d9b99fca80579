"""A small web API on a port of its own, for tests that run whole processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Any]


class Web:
    """The API while it runs: its URL, and the paths with queries that were asked for."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def serving(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[Web]:
    """Serve `answer`, which gives a status and a body for a path and its query, or its form.

    Where the status is that of a redirect, the body is where it leads.
    """
    web = Web(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *words: object) -> None:
            """Tests are told by what they assert."""

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            self.do_GET(self.rfile.read(size).decode())

        def do_GET(self, form: str = "") -> None:
            web.asked.append(self.path)
            url = urlsplit(self.path)
            status, body = web.answer(url.path, dict(parse_qsl(f"{url.query}&{form}")))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            if status in {301, 302, 307, 308}:
                self.send_header("location", str(body))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
