"""The emulator as a server: starting, stopping, its size, its rate and its command."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import aiohttp
import pytest
from tests.emulator.client import Plain, post

from penstock.emulator import EMULATORS, EmulatorServer, Settings, build_app
from penstock.emulator.limits import Bucket, too_many


@pytest.mark.parametrize("name", EMULATORS)
def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(name):
    """Truth, before and after the same advances, depends on the seed alone."""

    def told(seed):
        server = EmulatorServer(name, Settings(records=120, seed=seed))
        return [[list(server.truth(s)), server.advance(7)] for s in server.api.streams]

    assert told(3) == told(3) != told(4)


@pytest.mark.parametrize("name", EMULATORS)
def test_every_record_has_its_own_key(name):
    """Keys stay unique through advances, and changed records keep theirs."""
    server = EmulatorServer(name, Settings(records=300))
    main = {"messaging": "users", "chat": "chat_messages", "dixa": "conversation_export"}[name]
    before = [record["id"] for record in server.truth(main)]
    server.advance(50)
    after = [record["id"] for record in server.truth(main)]
    assert after[: len(before)] == before
    assert len(set(after)) == len(after) > len(before)


def test_an_unknown_stream_has_no_truth():
    """Asking for the truth of a stream that is not there is an error, not an empty list."""
    for name in EMULATORS:
        with pytest.raises(KeyError):
            EmulatorServer(name).truth("nothing")


def test_the_control_endpoints_tell_truth_and_advance_the_data():
    """What the object says in Python, the server says over HTTP, without credentials or faults."""
    with EmulatorServer("dixa", Settings(records=2500, rules=("500@1",))) as server:
        client = Plain(server)
        lines = client.raw("/__emulator__/truth/conversation_export")[2].splitlines()
        assert [json.loads(line) for line in lines] == list(server.truth("conversation_export"))
        got, _, body = post(server.url, "/__emulator__/advance?n=5")
        assert (got, json.loads(body)["added"]) == (200, 5)
        assert sum(1 for _ in server.truth("conversation_export")) == 2505
        assert post(server.url, "/__emulator__/advance?n=x")[0] == 400
        assert client.raw("/__emulator__/truth/nothing")[0] == 404
        assert server.log == []


def test_the_log_tells_what_was_asked_and_answered():
    """Every request of the API is logged with its status, fault and whether it bore credentials."""
    with EmulatorServer("messaging", Settings(records=9, rules=("503@#2",))) as server:
        client = Plain(server)
        client.raw("/v2/roles?limit=3")
        client.raw("/v2/users")
        Plain(server, "bad").raw("/v2/users")
        seen = [(s.method, s.path, s.query, s.status, s.fault, s.credential) for s in server.log]
        counts = client.get("/__emulator__/log")
        server.forget()
        assert server.log == []
    assert seen == [
        ("GET", "/v2/roles", "limit=3", 200, None, True),
        ("GET", "/v2/users", "", 503, "503", True),
        ("GET", "/v2/users", "", 401, None, True),
    ]
    assert counts["requests"] == 3
    assert counts["by_status"] == {"200": 1, "503": 1, "401": 1}
    assert counts["by_path"] == {"GET /v2/roles": 1, "GET /v2/users": 2}
    assert counts["faults"] == {"503": 1}


def test_concurrent_requests_wait_concurrently():
    """Ten requests at 100 ms each are in flight together and take far less than a second."""

    async def ask_all(url):
        headers = {"Authorization": "Bearer demo-key"}
        async with aiohttp.ClientSession(headers=headers) as session:

            async def ask():
                async with session.get(f"{url}/v2/roles") as response:
                    return response.status

            return await asyncio.gather(*(ask() for _ in range(10)))

    with EmulatorServer("messaging", Settings(latency_ms=100)) as server:
        assert asyncio.run(ask_all(server.url)) == [200] * 10
        assert server.peak == 10
        arrivals = [seen.at for seen in server.log]
    assert max(arrivals) - min(arrivals) < 0.5


def test_the_bucket_refills_with_time():
    """A bucket lets its burst pass, then one request each 1/rate seconds."""
    now = [0.0]
    bucket = Bucket(4, 2, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.25]
    now[0] = 0.25
    assert [bucket.take(), bucket.take()] == [0, 0.25]
    now[0] = 60
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.25]


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_beyond_the_rate_requests_get_429(form):
    """The rate limit says how long to wait, in seconds or as a date, and meters every answer."""
    settings = Settings(records=9, rate=0.01, burst=2, retry_after=form)
    with EmulatorServer("messaging", settings) as server:
        client = Plain(server)
        answers = [client.raw("/v2/roles") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert [headers["X-RateLimit-Remaining"] for _, headers, _ in answers] == ["1", "0", "0"]
    wait = answers[2][1]["Retry-After"]
    assert wait.endswith("GMT") if form == "date" else 90 <= int(wait) <= 100


def test_a_wait_is_rounded_up():
    """Waiting as long as told is always enough."""
    assert too_many(1.2, "seconds").headers["Retry-After"] == "2"
    assert too_many(0.01, "seconds").headers["Retry-After"] == "1"


@pytest.mark.parametrize(("name", "records"), [("messaging", 100), ("dixa", 25_000)])
def test_answers_are_compressed_for_clients_that_accept_it(name, records):
    """With gzip on, the compressed answer unfolds to the plain one."""
    path = {
        "messaging": "/v2/users",
        "dixa": "/v1/conversation_export?updated_after=1709251200000&updated_before=1711843200000",
    }[name]
    with EmulatorServer(name, Settings(records=records, days=30, gzip=True)) as server:
        client = Plain(server)
        _, plain_headers, plain = client.raw(path)
        _, headers, packed = client.raw(path, **{"Accept-Encoding": "gzip"})
    assert plain_headers["Content-Encoding"] is None
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 2


def test_a_page_asked_twice_is_the_same_and_an_advance_renews_it():
    """Rendered pages are kept, but never longer than they are true."""
    with EmulatorServer("messaging", Settings(records=500)) as server:
        client = Plain(server)
        first = client.raw("/v2/users?limit=500")[2]
        assert client.raw("/v2/users?limit=500")[2] == first
        server.advance(100)
        renewed = json.loads(client.raw("/v2/users?limit=500")[2])["users"]
        assert renewed == list(server.truth("users"))


def test_a_port_in_use_is_an_error():
    """A second server on a port fails at once and leaves no thread behind."""
    with EmulatorServer("chat") as server:
        port = urlsplit(server.url).port
        with pytest.raises(OSError, match="address already in use"):
            EmulatorServer("chat", port=port).__enter__()


@pytest.mark.parametrize(
    "wrong",
    [{"records": -1}, {"faults": 1.5}, {"rate": 0}, {"days": 0}, {"page_cap": 0}, {"burst": 0}],
)
def test_settings_that_no_api_could_have_are_refused(wrong):
    """The error names the setting."""
    with pytest.raises(ValueError, match=f"emulator's {next(iter(wrong))} must be"):
        Settings(**wrong)


def test_an_application_is_built_by_name():
    """An unknown name is a KeyError, as of any mapping."""
    with pytest.raises(KeyError):
        build_app("nothing", Settings())


SCRIPT = """
from penstock.emulator import Settings, serve_forever
serve_forever("chat", Settings(records=5), 0, lambda url: print(url, flush=True))
print("done")
"""


def test_serving_in_the_foreground_ends_cleanly_at_an_interrupt():
    """The server says where it listens, answers, and Ctrl-C ends it without a trace."""
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip()
        got, _, body = post(url, "/oauth/token")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (got, json.loads(body)["error"]) == (400, "unsupported_grant_type")
    assert (process.returncode, out, err) == (0, "done\n", "")
