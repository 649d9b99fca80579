"""Functions of a script that read an API themselves: clients, requests, incrementals and limits."""

from __future__ import annotations

import json
import textwrap
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.airbyte.standin.calling import Alone
from penstock.dialects.loading import Code
from penstock.engine.outside import Outside
from penstock.errors import OriginError, ReadError, TransportError
from penstock.plan.expr import Frame
from penstock.plan.page import Headers, HttpRequest, HttpResponse
from penstock.plan.python import NextSource
from penstock.plan.source import Most

HEAD = """\
import dlt
from dlt.sources.helpers import requests
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client import RESTClient, paginate
from dlt.sources.helpers.rest_client.auth import *
from dlt.sources.helpers.rest_client.paginators import *
"""


class Api(Alone):
    """A door that answers as a function says, and keeps what it was asked and its waits."""

    def __init__(self, answer, **values):
        super().__init__(values)
        self.answer, self.asked, self.waits, self.also = answer, [], [], ()

    def send(self, request):
        """The answer to a request: a body, or status, body and headers."""
        self.asked.append(request)
        said = self.answer(request)
        status, body, headers = said if isinstance(said, tuple) else (200, said, {})
        return HttpResponse(
            status=status,
            url=request.full_url,
            headers=Headers(tuple(headers.items())),
            body=json.dumps(body).encode(),
        )

    def allows(self, url):
        """What a user allows."""
        return url.startswith(self.also) if self.also else False

    def pause(self, seconds):
        """A wait that takes no time."""
        self.waits.append(seconds)

    def queries(self):
        """The query of each request."""
        found = (parse_qs(urlsplit(r.full_url).query) for r in self.asked)
        return [{k: v[0] if len(v) == 1 else v for k, v in one.items()} for one in found]


def source(tmp_path, script):
    path = tmp_path / "pipeline.py"
    path.write_text(HEAD + textwrap.dedent(script), "utf-8")
    found = compile_document(load(str(path), Code()))
    assert [str(d) for d in found.diagnostics] == []
    return found.need()


def rows(tmp_path, script, api, frame=None, *, nth=0):
    """The rows of a stream, pages as they were yielded."""
    stream = source(tmp_path, script).streams[nth]
    made = stream.retrieve.function(api, frame or Frame())
    return [row for row in made if not isinstance(row, NextSource)]


PAGED = """
client = RESTClient("https://a.test/v1/", headers={"X-A": "1"}, auth=BearerTokenAuth("t"))

@dlt.resource
def users():
    for page in client.paginate("users", params={"q": "x"}, paginator=PAGES, data_selector=WHERE):
        yield page
"""


def test_a_client_walks_pages_as_its_paginator_says(tmp_path):
    """Headers, credentials and params go with each page; what is yielded stays a page."""
    script = PAGED.replace("PAGES", "PageNumberPaginator(base_page=1, total_path='n')")
    api = Api(lambda _: {"rows": [{"id": 1}], "n": 2})
    assert rows(tmp_path, script.replace("WHERE", "'rows'"), api) == [[{"id": 1}], [{"id": 1}]]
    assert api.queries() == [{"q": "x", "page": "1"}, {"q": "x", "page": "2"}]
    held = [dict(r.headers) for r in api.asked]
    assert all((h["X-A"], h["Authorization"]) == ("1", "Bearer t") for h in held)
    assert api.asked[0].url.startswith("https://a.test/v1/users?")


DETECTED = {
    "a link": [{"data": [1], "next": "https://a.test/p2"}, {"data": [2], "next": None}],
    "a token": [{"data": [1], "next_cursor": "c2"}, {"data": [2], "next_cursor": None}],
    "pages": [{"items": [1], "page": 1, "total_pages": 2}, {"items": [2], "page": 2,
                                                           "total_pages": 2}],
    "nothing": [{"id": 7}],
}  # fmt: skip


@pytest.mark.parametrize("kind", DETECTED)
def test_pages_that_nobody_names_are_found(tmp_path, kind):
    """Records and pagination are told from the first answer, as for resources."""
    answers = iter(DETECTED[kind])
    api = Api(lambda _: next(answers))
    script = PAGED.replace("PAGES", "None").replace("WHERE", "None")
    found = rows(tmp_path, script, api)
    assert found == ([[{"id": 7}]] if kind == "nothing" else [[1], [2]])
    assert next(answers, "none left") == "none left"


def test_a_failing_answer_is_asked_again_and_then_raised(tmp_path):
    """A status that passes is waited out, by `Retry-After` first; others are the script's."""
    script = PAGED.replace("PAGES", "SinglePagePaginator()").replace("WHERE", "'$'")
    answers = iter([(503, {}, {"Retry-After": "7"}), (500, {}, {}), (200, [{"id": 1}], {})])
    api = Api(lambda _: next(answers))
    assert rows(tmp_path, script, api) == [[{"id": 1}]]
    assert api.waits[0] == 7
    with pytest.raises(ReadError, match=r"pipeline.py:\d+: users failed: HTTPError: 404"):
        rows(tmp_path, script, Api(lambda _: (404, {}, {})))


def test_pages_do_not_go_round_or_elsewhere(tmp_path):
    """A request that comes twice is an error, and so is a link to an origin nobody named."""
    script = PAGED.replace("WHERE", "'rows'")
    same = script.replace("PAGES", "JSONLinkPaginator('next')")
    with pytest.raises(ReadError, match="the pages go in a circle"):
        rows(tmp_path, same, Api(lambda _: {"rows": [], "next": "https://a.test/v1/x"}))
    away = Api(lambda r: {"rows": [], "next": "https://b.test/" if "a.test" in r.url else None})
    with pytest.raises(OriginError, match="next page is at https://b"):
        rows(tmp_path, same, away)
    away.also = ("https://b.test",)
    assert rows(tmp_path, same, away) == [[], []]


def test_hooks_see_each_answer_and_may_end_the_pages(tmp_path):
    """A hook takes the place of the check for failures; it may pass an answer over."""
    script = """
    from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException
    def gone(response, *args, **kwargs):
        if response.status_code == 410:
            raise IgnoreResponseException
    @dlt.resource
    def users():
        yield from paginate("https://a.test/u", hooks={"response": [gone]},
                            paginator=HeaderLinkPaginator())
    """
    answers = iter([(200, [{"id": 1}], {"Link": '<https://a.test/2>; rel="next"'}), (410, {}, {})])
    assert rows(tmp_path, script, Api(lambda _: next(answers))) == [[{"id": 1}]]


def test_values_that_a_function_finds_are_inputs(tmp_path):
    """Credentials of a client outside of the function, and of the function, are asked for."""
    script = """
    client = RESTClient("https://a.test", auth=APIKeyAuth(name="k", api_key=dlt.secrets["key"]))
    @dlt.resource
    def users():
        yield client.get("x", headers={"T": f"t {dlt.secrets['token']}"}).json()
    """
    assert sorted(i.name for i in source(tmp_path, script).inputs) == ["key", "token"]
    api = Api(lambda _: [{"id": 1}], key="k1", token="t1")
    assert rows(tmp_path, script, api) == [[{"id": 1}]]
    headers = dict(api.asked[0].headers)
    assert (headers["k"], headers["T"]) == ("k1", "t t1")


def test_requests_of_dlt_raise_and_are_asked_again(tmp_path):
    """`dlt.sources.helpers.requests` goes through the run, and fails where the API says so."""
    script = """
    session = requests.Client(request_timeout=3).session
    @dlt.resource
    def users():
        yield requests.get("https://a.test/1", params={"a": 1}).json()
        try:
            session.post("https://a.test/2", json={"b": 2})
        except requests.HTTPError as exc:
            yield {"status": exc.response.status_code}
    """
    answers = iter([(429, {}, {}), (200, {"id": 1}, {}), (404, {}, {})])
    api = Api(lambda _: next(answers))
    assert rows(tmp_path, script, api) == [{"id": 1}, {"status": 404}]
    assert [r.method for r in api.asked] == ["GET", "GET", "POST"]
    assert api.asked[2].body == b'{"b": 2}'


def test_the_session_of_a_client_asks_again_and_raises_nothing(tmp_path):
    """What is asked with it goes through the run, with values for references."""
    script = """
    client = RESTClient("https://a.test", headers={"X-Client": "shop"})
    client.session.headers["X-Session"] = "1"
    @dlt.resource
    def users():
        named = {"T": dlt.secrets["token"]}
        yield {"status": client.session.get(client.base_url + "/1", headers=named).status_code}
        yield {"status": client.session.get(client.base_url + "/2").status_code}
    """
    answers = iter([(503, {}, {}), (200, {"id": 1}, {}), (404, {}, {})])
    api = Api(lambda _: next(answers), token="t1")
    assert rows(tmp_path, script, api) == [{"status": 200}, {"status": 404}]
    headers = dict(api.asked[1].headers)
    assert (headers["T"], headers["X-Session"], "X-Client" in headers) == ("t1", "1", False)


CURSOR = """
from datetime import datetime, timezone
@dlt.resource(primary_key="id")
def users(at=dlt.sources.incremental("at", initial_value=FIRST)):
    yield {"since": str(at.start_value), "is": type(at.last_value).__name__}
    for n in (3, 2, 1):
        yield [{"id": n, "at": MADE}]
        yield {"over": at.start_out_of_range, "last": str(at.last_value)}
"""


def test_a_function_is_given_where_its_rows_begin(tmp_path):
    """The incremental of an argument is the stream's cursor; it follows what the function gives."""
    script = CURSOR.replace("FIRST", "2").replace("MADE", "n")
    [stream] = source(tmp_path, script).streams
    assert (stream.cursor.path.path, stream.cursor.boundary) == (("at",), ("id",))
    frame = Frame(slice={"cursor": {"start": 2}})
    found = list(stream.retrieve.function(Api(None), frame))
    assert found[0] == {"since": "2", "is": "int"}
    assert found[2::2] == [
        {"over": False, "last": "3"}, {"over": False, "last": "3"}, {"over": True, "last": "3"},
    ]  # fmt: skip


def test_a_cursor_of_moments_stays_one(tmp_path):
    """State keeps text; the function is given a moment where the first value is one."""
    script = CURSOR.replace("FIRST", "datetime(2024, 1, 2, tzinfo=timezone.utc)")
    [stream] = source(
        tmp_path, script.replace("MADE", "datetime(2024, 1, n, tzinfo=timezone.utc)")
    ).streams
    frame = Frame(slice={"cursor": {"start": "2024-01-02T00:00:00+00:00"}})
    found = list(stream.retrieve.function(Api(None), frame))
    assert found[0] == {"since": str(datetime(2024, 1, 2, tzinfo=UTC)), "is": "datetime"}
    assert found[1] == [{"id": 3, "at": "2024-01-03T00:00:00+00:00"}]
    assert found[-1]["over"] is True


def test_a_limit_counts_yields_or_rows(tmp_path):
    """Of functions as of resources of the API."""
    script = """
    @dlt.resource
    def numbers():
        for n in range(9):
            yield [n, n]
    def client():
        return {"base_url": "https://a.test"}
    api = rest_api_source({"client": client(), "resources": ["x", "y"]})
    api.resources["x"].add_limit(2)
    api.resources["y"].add_limit(5, max_time=60, count_rows=True)
    dlt.pipeline("p").run([numbers().add_limit(LIMIT), api.x, api.y])
    """
    two = source(tmp_path, script.replace("LIMIT", "2"))
    made = {s.name: s for s in two.streams}
    assert made["numbers"].most == Most(pages=2)
    assert made["x"].most == Most(pages=2)
    assert made["y"].most == Most(rows=5, seconds=60)
    rowwise = source(tmp_path, script.replace("LIMIT", "3, count_rows=True")).streams[0]
    assert rowwise.most == Most(rows=3)
    none = source(tmp_path, script.replace("LIMIT", "0"))
    assert [s.selected for s in none.streams] == [False, True, True]


def test_what_is_yielded_becomes_rows(tmp_path):
    """Coroutines, models, moments, exact numbers and functions that make rows are taken as rows.

    Dates and exact numbers say what columns they are for.
    """
    script = """
    from datetime import date
    from decimal import Decimal
    from uuid import UUID
    class Model:
        def model_dump(self, by_alias=False):
            return {"of": "model"}
    @dlt.resource
    async def made():
        yield {"d": date(2024, 1, 2), "n": Decimal("1.10"), "u": UUID(int=1), "s": ("a",)}
        yield [Model(), None, lambda: {"of": "function"}]
    """
    first, second = rows(tmp_path, script, Api(None))
    [row] = first.rows
    assert [(c.name, c.type) for c in first.hints.columns] == [("d", "date"), ("n", "decimal")]
    assert json.loads(json.dumps(row, default=lambda raw: float(bytes(raw)))) == {
        "d": "2024-01-02", "n": 1.1, "u": "00000000-0000-0000-0000-000000000001", "s": ["a"],
    }  # fmt: skip
    assert second == [{"of": "model"}, None, {"of": "function"}]


def test_dlt_is_the_stand_in_in_a_run_too(tmp_path, monkeypatch):
    """A function that imports of dlt when it is called finds the same as the script did."""
    monkeypatch.setitem(__import__("sys").modules, "dlt", None)
    script = """
    @dlt.resource
    def users():
        import dlt
        from dlt.sources.helpers.rest_client.client import RESTClient as Other
        yield {"same": Other is RESTClient, "version": dlt.__version__}
        from dlt.sources.sql_database import sql_table
    """
    door = Api(None)
    made = iter(source(tmp_path, script).streams[0].retrieve.function(door, Frame()))
    assert next(made)["same"] is True
    with pytest.raises(ReadError, match=r"Penstock has no dlt\.sources\.sql_database"):
        next(made)


def test_threads_of_a_function_ask_through_the_run(tmp_path):
    """A pool of the script's own knows no run; it asks through the one that is calling."""
    script = """
    from concurrent.futures import ThreadPoolExecutor
    client = RESTClient("https://a.test")
    @dlt.resource
    def users():
        with ThreadPoolExecutor(2) as pool:
            yield from pool.map(lambda n: client.get(str(n)).json(), (1, 2))
    """
    api = Api(lambda r: {"path": urlsplit(r.url).path})
    assert rows(tmp_path, script, api) == [{"path": "/1"}, {"path": "/2"}]


def test_rows_of_one_name_follow_one_another(tmp_path):
    """A function that is run for several things is one stream, whose rows are those of all."""
    script = """
    @dlt.resource(MORE)
    def things(n, key=dlt.secrets["k"]):
        yield {"n": n, "key": key}
    for n in (1, 2):
        dlt.pipeline("p").run(things(n))
    dlt.pipeline("p").run([things(3)])
    """
    appended = script.replace("MORE", "write_disposition='append'")
    assert [i.name for i in source(tmp_path, appended).inputs] == ["k"]
    found = rows(tmp_path, appended, Api(None, k="v"))
    assert found == [{"n": n, "key": "v"} for n in (1, 2, 3)]
    replaced = source(tmp_path, script.replace("MORE", "write_disposition='replace'")).streams
    labels = list(replaced[0].partition.values.value)
    assert [label.split(", ")[0] for label in labels] == ["1", "2", "3"]
    assert [stream.name for stream in replaced] == ["things"]
    for nth, label in enumerate(labels, 1):
        frame = Frame(slice={"partition": {"source": label}})
        found = rows(tmp_path, script.replace("MORE", "write_disposition='replace'"),
                     Api(None, k="v"), frame)  # fmt: skip
        assert found == [{"n": nth, "key": "v"}]


def test_frames_can_be_handed_to_a_run(tmp_path):
    """Row by row, as frames that functions yield are."""
    script = """
    import pyarrow as pa
    dlt.pipeline("p").run(pa.table({"a": [1, None], "b": ["x", "y"]}), table_name="frame")
    """
    found = source(tmp_path, script).streams[0]
    assert found.name == "frame"
    assert list(found.retrieve.function(Api(None), Frame())) == [
        [{"a": 1, "b": "x"}, {"a": None, "b": "y"}]
    ]


def test_labels_of_functions_hide_secrets(tmp_path):
    """What a function is called with tells it apart, a secret by a digest."""
    script = """
    def made(name, token):
        @dlt.resource(write_disposition="replace")
        def things(api_key, plain):
            yield {"name": name, "token": token}
        return things(token + "!", plain=5)
    dlt.pipeline("p").run([made("x", "t0psecret"), made("x", "t1psecret")])
    """
    (found,) = source(tmp_path, script).streams
    labels = list(found.partition.values.value)
    assert len(set(labels)) == 2
    assert "psecret" not in str(labels)
    assert all("x" in label and "5" in label for label in labels)


def test_what_a_script_asks_in_vain_is_named():
    """A script may ask an API before it makes its source; what gave no answer is told."""
    request = HttpRequest(method="GET", url="http://127.0.0.1:1/users?key=s3cret")
    with closing(Outside()) as outside, pytest.raises(TransportError) as failed:
        outside.send(request)
    assert failed.value.message.endswith("(GET http://127.0.0.1:1/users)")
