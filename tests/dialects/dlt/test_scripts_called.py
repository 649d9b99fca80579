"""Classes and functions of a script that are called in a run: what they are given and may do."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.airbyte.standin.calling import Alone
from penstock.dialects.loading import Code
from penstock.errors import ReadError
from penstock.plan.expr import Converted, Frame, Ref, Scope, evaluate
from penstock.plan.page import Headers, HttpRequest, HttpResponse
from penstock.plan.pagination import Led
from penstock.plan.policy import Rule
from penstock.plan.python import Sign, Turn
from penstock.read.python import Batch

HEAD = """\
import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client.paginators import *
from dlt.sources.helpers.rest_client.auth import *
from dlt.common.configuration import configspec
"""
ASKED = HttpRequest(method="GET", url="https://a.test/x", query=(("q", "1"),))


def compiled(tmp_path, script):
    path = tmp_path / "pipeline.py"
    path.write_text(HEAD + textwrap.dedent(script), "utf-8")
    return compile_document(load(str(path), Code()))


def stream(tmp_path, script):
    found = compiled(tmp_path, script)
    assert [str(d) for d in found.diagnostics] == []
    return found.need().streams[0]


def paginated(tmp_path, classes, made):
    """The pagination of a source that has the paginator `made`."""
    source = f"""
def client():
    return {{"base_url": "https://a.test", "paginator": {made}}}
source = rest_api_source({{"client": client(), "resources": ["x"]}})
"""
    return stream(tmp_path, textwrap.dedent(classes) + source).pagination


def signed(tmp_path, classes, made):
    source = f"""
def client():
    return {{"base_url": "https://a.test", "auth": {made}}}
source = rest_api_source({{"client": client(), "resources": ["x"]}})
"""
    found = compiled(tmp_path, textwrap.dedent(classes) + source)
    assert [str(d) for d in found.diagnostics] == []
    return found.need()


def answer(body, status=200, **headers):
    pairs = tuple((k.replace("_", "-"), v) for k, v in headers.items())
    return HttpResponse(
        status=status,
        url="https://a.test/x",
        headers=Headers(pairs),
        body=json.dumps(body).encode(),
    )


def walked(pagination, answers, request=ASKED, **values):
    """The requests of a walk through these answers; each is a body, or a whole answer."""
    assert isinstance(pagination, Led)
    door = Alone(values)
    turn = pagination.lead.begin(door, request)
    asked = [turn.request]
    for body in answers:
        response = body if isinstance(body, HttpResponse) else answer(body)
        data = json.loads(response.body)
        records = data.get("rows", []) if isinstance(data, dict) else data
        following = pagination.lead.following(door, turn, response, records)
        if following is None:
            return asked
        assert isinstance(following, Turn)
        turn = following
        asked.append(turn.request)
    return asked


def queries(requests):
    return [dict(r.query) for r in requests]


# One class that adds a header, so that each of dlt's own paginators is run and not read.
OWN = """
class Mine({base}):
    def update_request(self, request):
        super().update_request(request)
        request.headers["X-Mine"] = "1"
"""
WALKS = {
    "page numbers with a total": (
        "PageNumberPaginator", "base_page=1, total_path='pages'",
        [{"rows": [1], "pages": 2}, {"rows": [1], "pages": 2}],
        [{"q": "1", "page": "1"}, {"q": "1", "page": "2"}],
    ),
    "page numbers until an empty page": (
        "PageNumberPaginator", "page_param='p', total_path=None",
        [{"rows": [1]}, {"rows": []}],
        [{"q": "1", "p": "0"}, {"q": "1", "p": "1"}],
    ),
    "page numbers up to a maximum": (
        "PageNumberPaginator", "base_page=1, page=2, maximum_page=4, total_path=None",
        [{"rows": [1]}, {"rows": [1]}, {"rows": [1]}],
        [{"q": "1", "page": "2"}, {"q": "1", "page": "3"}],
    ),
    "offsets with a total": (
        "OffsetPaginator", "limit=2, total_path='n'",
        [{"rows": [1, 2], "n": "3"}, {"rows": [3], "n": "3"}],
        [{"q": "1", "offset": "0", "limit": "2"}, {"q": "1", "offset": "2", "limit": "2"}],
    ),
    "offsets with a sign for more": (
        "OffsetPaginator",
        "2, 4, offset_param='s', limit_param='l', total_path=None, has_more_path='more.there'",
        [{"rows": [1], "more": {"there": "true"}}, {"rows": [1], "more": {"there": False}}],
        [{"q": "1", "s": "4", "l": "2"}, {"q": "1", "s": "6", "l": "2"}],
    ),
    "a cursor": (
        "JSONResponseCursorPaginator", "'next.at', 'c'",
        [{"rows": [1], "next": {"at": "b"}}, {"rows": [1], "next": {"at": ""}}],
        [{"q": "1"}, {"q": "1", "c": "b"}],
    ),
    "a cursor that ends at an empty page": (
        "JSONResponseCursorPaginator", "cursor_path='n', stop_after_empty_page=True",
        [{"rows": [], "n": "b"}],
        [{"q": "1"}],
    ),
    "a cursor in a header": (
        "HeaderCursorPaginator", "cursor_key='X-Next', cursor_param='at'",
        [answer([1], X_Next="7"), answer([1])],
        [{"q": "1"}, {"q": "1", "at": "7"}],
    ),
    "one page": ("SinglePagePaginator", "", [{"rows": [1]}], [{"q": "1"}]),
}  # fmt: skip


@pytest.mark.parametrize("case", WALKS)
def test_a_subclass_of_each_paginator_runs(tmp_path, case):
    """Whatever a subclass adds, the rest is as the class of dlt does it."""
    base, arguments, answers, expected = WALKS[case]
    pagination = paginated(tmp_path, OWN.format(base=base), f"Mine({arguments})")
    asked = walked(pagination, answers)
    assert queries(asked) == expected
    later = asked[1:]
    assert all(("X-Mine", "1") in r.headers for r in later)


@pytest.mark.parametrize(
    ("base", "arguments", "answers"),
    [
        ("JSONLinkPaginator", "next_url_path='n'", [{"rows": [1], "n": "/y?c=2"}, {"rows": []}]),
        ("HeaderLinkPaginator", "", [answer([1], Link='<https://a.test/y?c=2>; rel="next"'), []]),
    ],
)
def test_a_subclass_that_follows_links(tmp_path, base, arguments, answers):
    """A link is whole: it takes the place of the URL and the query."""
    asked = walked(paginated(tmp_path, OWN.format(base=base), f"Mine({arguments})"), answers)
    assert [r.full_url for r in asked] == ["https://a.test/x?q=1", "https://a.test/y?c=2"]


def test_a_paginator_may_change_the_body(tmp_path):
    """The body is there as a value, and goes out as one; what it remembers is its own."""
    pagination = paginated(
        tmp_path,
        OWN.format(base="PageNumberPaginator"),
        "Mine(page_body_path='page.number', total_path=None)",
    )
    request = HttpRequest(
        method="POST",
        url="https://a.test/x",
        headers=(("Content-Type", "application/json"),),
        body=b'{"size":2,"page":{"sort":"id"}}',
    )
    asked = walked(pagination, [{"rows": [1]}, {"rows": []}], request)
    assert [json.loads(r.body) for r in asked] == [
        {"size": 2, "page": {"sort": "id", "number": n}} for n in (0, 1)
    ]
    assert walked(pagination, [{"rows": []}], request) == asked[:1]


def test_what_a_paginator_remembers_is_given_from_page_to_page(tmp_path):
    """Two walks at the same time do not see each other's pages, and a page can be asked again."""
    pagination = paginated(
        tmp_path,
        """
        class Counted(BasePaginator):
            def __init__(self):
                super().__init__()
                self.seen = []
            def update_state(self, response, data=None):
                self.seen.append(len(data))
                self._has_next_page = len(self.seen) < 3
            def update_request(self, request):
                request.params = {"seen": self.seen, "none": None}
        """,
        "Counted()",
    )
    lead, door = pagination.lead, Alone({})
    first = lead.begin(door, ASKED)
    one = lead.following(door, first, answer([1, 2]), [1, 2])
    again = lead.following(door, first, answer([1]), [1])
    two = lead.following(door, one, answer([1]), [1])
    assert again.request.query == (("seen", "1"),)
    assert two.request.query == (("seen", "2"), ("seen", "1"))
    assert lead.following(door, two, answer([1]), [1]) is None


def test_a_paginator_without_data_in_its_method_runs(tmp_path):
    """Classes written for older versions of dlt take the answer alone."""
    classes = """
    class Old(BasePaginator):
        def update_state(self, response):
            self._has_next_page = response.json()["more"]
        def update_request(self, request):
            request.params["p"] = 2
    """
    asked = walked(paginated(tmp_path, classes, "Old()"), [{"more": True}, {"more": False}])
    assert queries(asked) == [{"q": "1"}, {"q": "1", "p": "2"}]


def test_a_paginator_that_fails_names_its_line(tmp_path):
    """An error of the script's class is one of the slice, with file, line and class."""
    classes = """
    class Bad(BasePaginator):
        def update_state(self, response, data=None):
            return response.json()["nothing"]
    """
    pagination = paginated(tmp_path, classes, "Bad()")
    with pytest.raises(ReadError) as caught:
        walked(pagination, [{}])
    assert caught.value.code == "component-failed"
    assert caught.value.message == "pipeline.py:9: Bad failed: KeyError: 'nothing'"


def test_what_fails_beside_a_script_names_its_line_there(tmp_path):
    """A function that the script imports from its folder is where to look, and not who calls it."""
    (tmp_path / "beside.py").write_text("def key(row):\n    return row['nothing']\n", "utf-8")
    script = """
import beside
@dlt.resource
def users():
    yield {"id": beside.key({})}
dlt.pipeline("shop", dataset_name="shop_data").run(users())
"""
    with pytest.raises(ReadError, match=r"^beside.py:2: users failed: KeyError: 'nothing'$"):
        list(stream(tmp_path, script).retrieve.function(Alone({}), Frame()))


MIXED = """
@dlt.resource
def users():
    row = {}
    for n in range(1203):
        row["id"] = n
        row["at"] = [n]
        yield row
        row["at"].append("later")
    yield [{"id": -1}, {"id": -2}]
    yield row
    yield None
    yield 7
    yield dlt.mark.with_table_name({"id": -3}, "others")
    yield row
    yield [{"id": -4}]
dlt.pipeline("shop", dataset_name="shop_data").run(users())
"""


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("in_order", [True, False])
def test_rows_that_are_taken_several_at_once_are_those_taken_one_by_one(tmp_path, apart, in_order):
    """In the same pages, as they were when they were yielded, whatever comes between them."""

    def pages(records):
        made, ahead, ended = [], [], False
        while not ended:
            batch = Batch(apart, in_order, ahead)
            batch.fill(records)
            made += [(p.table, p.loose, list(map(bytes, p.records))) for p in batch.made()]
            ahead, ended = batch.ahead, batch.ended
        return made

    def records():
        return iter(stream(tmp_path, MIXED).retrieve.function(Alone({}), Frame()))

    found = pages(records())
    assert found == pages(row for row in records())
    assert sorted(len(rows) for *_, rows in found)[-2:] == [500, 500]
    assert found[0][2][1] == b'{"id":1,"at":[1]}'


def test_what_fails_in_what_python_brings_along_names_the_line_of_the_script(tmp_path, monkeypatch):
    """Also where the script is named without its folder, in which then everything seems to be."""
    monkeypatch.chdir(tmp_path)
    script = """
import os
@dlt.resource
def users():
    yield {"id": os.environ["NOBODY_HAS_SAID_THIS"]}
dlt.pipeline("shop", dataset_name="shop_data").run(users())
"""
    with pytest.raises(ReadError, match=r"^pipeline.py:\d+: users failed: KeyError: 'NOBODY_"):
        list(stream(Path(), script).retrieve.function(Alone({}), Frame()))


def test_rows_that_are_handed_over_are_called_as_their_resource(tmp_path):
    """Where a generator of a library's fails, the script's file is told, and the resource."""
    script = """
users = dlt.resource(map(int, ["a"]), name="users")
dlt.pipeline("shop", dataset_name="shop_data").run(users)
"""
    with pytest.raises(ReadError, match=r"^pipeline.py: users failed: ValueError: invalid literal"):
        list(stream(tmp_path, script).retrieve.function(Alone({}), Frame()))


def test_a_total_that_is_missing_is_an_error(tmp_path):
    """As in dlt, a class that counts up to a total needs it in every answer."""
    pagination = paginated(tmp_path, OWN.format(base="PageNumberPaginator"), "Mine(base_page=1)")
    with pytest.raises(ReadError, match="holds no whole number at 'total'"):
        walked(pagination, [{"rows": [1]}])


def test_values_of_the_user_reach_a_class(tmp_path):
    """A reference that a class was given is asked for, and is the value itself in a run."""
    source = signed(
        tmp_path,
        """
        import base64
        @configspec
        class Pair(AuthConfigBase):
            user: str = "u"
            key: str = None
            def __call__(self, request):
                pair = base64.b64encode(f"{self.user}:{self.key}".encode()).decode()
                request.headers["X-Pair"] = pair
                request.headers["X-Method"] = request.method
                return request
        """,
        "Pair(key=dlt.secrets['api.key'])",
    )
    assert [(i.name, i.secret) for i in source.inputs] == [("api.key", True)]
    auth = source.streams[0].auth
    assert isinstance(auth, Sign)
    sent = auth.function(Alone({"api.key": "k"}), ASKED)
    assert dict(sent.headers) == {"X-Pair": "dTpr", "X-Method": "GET"}
    assert sent.full_url == ASKED.full_url


def test_a_token_is_obtained_once_by_a_class(tmp_path):
    """A subclass of client credentials asks for its token through the run, and keeps it."""
    source = signed(
        tmp_path,
        """
        @configspec
        class Own(OAuth2ClientCredentials):
            def parse_access_token(self, response_json):
                return response_json["data"]["token"]
        """,
        "Own(access_token_url='https://a.test/t', client_id='i', client_secret=dlt.secrets['s'])",
    )

    asked = []

    class Door(Alone):
        def send(self, request):
            asked.append(request)
            return answer({"data": {"token": f"t{len(asked)}"}, "expires_in": 3600})

    door = Door({"s": "secret"})
    auth = source.streams[0].auth
    for _ in range(2):
        sent = auth.function(door, ASKED)
        assert dict(sent.headers)["Authorization"] == "Bearer t1"
    (request,) = asked
    assert (request.method, request.url) == ("POST", "https://a.test/t")
    assert request.body == b"client_id=i&client_secret=secret&grant_type=client_credentials"


ACTIONS = """
from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException

def upper(response, *args, **kwargs):
    response._content = response.content.upper()
    return response

def skip(response, *args, **kwargs):
    if b"SKIP" in response.content:
        raise IgnoreResponseException

def well(response):
    response.status_code = 200

def made():
    return {"client": {"base_url": "https://a.test"}, "resources": [{"name": "a", "endpoint": {
        "response_actions": [
            {"status_code": 404, "action": "ignore"},
            upper,
            {"content": "X", "action": [skip, well]},
            {"status_code": 409, "action": "retry"},
        ]}}]}
source = rest_api_source(made())
"""


def test_functions_see_answers_in_the_order_of_the_actions(tmp_path):
    """Each sees what those before it made; passing over ends it; the rest is judged as ever."""
    policy = stream(tmp_path, ACTIONS).policy
    look = policy.amend.function
    door = Alone({})
    assert look(door, answer("x", 404)) is None
    assert look(door, answer("skip x")) is None
    amended = look(door, answer("x", 500))
    assert (amended.status, amended.body) == (200, b'"X"')
    untouched = look(door, answer("y", 500))
    assert (untouched.status, untouched.body) == (500, b'"Y"')
    assert policy.rules == (Rule(action="retry", statuses=(409,)),)


def test_values_of_a_cursor_go_through_convert(tmp_path):
    """In a param and in a template; null stays away from the function."""
    found = stream(
        tmp_path,
        """
        def to_day(value):
            return value[:10]
        def made():
            return {"client": {"base_url": "https://a.test"}, "resources": [{"name": "a",
                "endpoint": {"headers": {"X-Until": "{incremental.end_value}"},
                    "incremental": {"cursor_path": "at", "start_param": "since", "convert": to_day,
                                    "initial_value": "2024-01-02T03:04:05Z"}}}]}
        source = rest_api_source(made())
        """,
    )
    (since,) = found.cursor.params
    start = Ref(at=Scope.SLICE, path=("cursor", "start"))
    assert isinstance(since.value, Converted)
    assert since.value.value == start
    frame = Frame(slice={"cursor": {"start": "2024-01-02T03:04:05Z", "end": None}})
    assert evaluate(since.value, frame) == "2024-01-02"
    (until,) = [p for p in found.request.params if p.slot.place == "header"]
    assert evaluate(until.value, frame) is None


def test_a_moment_is_sent_as_python_writes_it(tmp_path):
    """Where the first value is one; what the state gives back is read as such."""
    found = stream(
        tmp_path,
        """
        from datetime import datetime, timezone
        def made():
            return {"client": {"base_url": "https://a.test"}, "resources": [{"name": "a",
                "endpoint": {"headers": {"X-Since": "{incremental.start_value:%d.%m.}"},
                    "incremental": {"cursor_path": "at", "start_param": "since",
                                    "initial_value": datetime(2024, 1, 1, tzinfo=timezone.utc)}}}]}
        source = rest_api_source(made())
        """,
    )
    assert evaluate(found.cursor.start, Frame()) == "2024-01-01T00:00:00+00:00"
    (since,) = found.cursor.params
    (header,) = [p for p in found.request.params if p.slot.place == "header"]
    for start, sent, day in (
        ("2024-01-02T03:04:05Z", "2024-01-02 03:04:05+00:00", "02.01."),
        ("2024-01-02T03:04:05.5+02:00", "2024-01-02 03:04:05.500000+02:00", "02.01."),
    ):
        frame = Frame(slice={"cursor": {"start": start, "end": None}})
        assert (evaluate(since.value, frame), evaluate(header.value, frame)) == (sent, day)


PICKS = {
    "max": ("max", "max"),
    "lambda values: max(values)": ("max", "max"),
    "lambda values: sorted(values)[0]": ("min", "min"),
}


@pytest.mark.parametrize("function", PICKS)
def test_a_function_that_picks_as_max_or_min_does_is_taken_for_it(tmp_path, function):
    """What a function picks is seen on a few pairs of values."""
    script = f"""
    def made():
        return {{"client": {{"base_url": "https://a.test"}}, "resources": [{{"name": "a",
            "endpoint": {{"incremental": {{"cursor_path": "n",
                                           "last_value_func": {function}}}}}}}]}}
    source = rest_api_source(made())
    """
    assert stream(tmp_path, script).cursor.pick in PICKS[function]


OTHERWISE = """
        def made():
            return {"client": {"base_url": "https://a.test"}, "resources": [{"name": "a",
                "endpoint": {"incremental": {"cursor_path": "n", "last_value_func": sum, MORE}}}]}
        source = rest_api_source(made())
"""


def test_a_function_that_picks_otherwise_moves_the_cursor(tmp_path):
    """One that picks neither the greatest nor the least is called for each record."""
    fold = stream(tmp_path, OTHERWISE.replace("MORE", "")).cursor.fold
    assert (fold.function, fold.name) == (sum, "sum")


def test_windows_have_a_greatest_value(tmp_path):
    """They are cut between two, which such a function does not tell."""
    script = OTHERWISE.replace("MORE", '"step": {"days": 1}, "initial_value": "2024-01-01"')
    (said,) = compiled(tmp_path, script).diagnostics
    assert (said.code, said.hint) == ("unsupported", 'take out "step"')


ROWS = """
@dlt.resource(write_disposition="replace")
def users(key=dlt.secrets["k"], count: int = 3):
    for n in range(count):
        yield [{"id": n, "key": key}, None]

@dlt.transformer(data_from=users, primary_key="id")
def doubled(items, by):
    @dlt.defer
    def one(item):
        return {"id": item["id"] * by}
    return [one(item) for item in items]

@dlt.source
def api():
    return doubled(2)
"""


def test_rows_are_made_when_the_run_asks_for_them(tmp_path):
    """A resource's function is called with its values, a transformer with items of its parent."""
    found = compiled(tmp_path, ROWS)
    assert [str(d) for d in found.diagnostics] == []
    source = found.need()
    assert [i.name for i in source.inputs] == ["k"]
    doubled, users = source.streams
    assert (users.name, users.selected, users.hints.write) == ("users", False, "replace")
    assert (doubled.name, doubled.hints.primary_key) == ("doubled", ("id",))
    assert (doubled.partition.stream, doubled.partition.whole) == ("users", True)
    door = Alone({"k": "secret"})
    made = users.retrieve.function(door, Frame())
    assert list(made) == [[{"id": n, "key": "secret"}, None] for n in range(3)]
    frame = Frame(slice={"extra": {"item": [{"id": 1}, {"id": 2}]}})
    assert list(doubled.retrieve.function(door, frame)) == [[{"id": 2}, {"id": 4}]]


def test_rows_that_fail_name_their_line(tmp_path):
    """What goes wrong between two rows is an error of the slice, with file and line."""
    script = """
    @dlt.resource
    def users():
        yield {"id": 1}
        yield {"id": 1 / 0}
    """
    rows = iter(stream(tmp_path, script).retrieve.function(Alone({}), Frame()))
    assert next(rows) == {"id": 1}
    with pytest.raises(ReadError, match=r"pipeline.py:\d+: users failed: ZeroDivisionError"):
        next(rows)


def test_a_resource_that_yields_resources_is_read_by_the_plan(tmp_path):
    """A function that names what makes resources is called by the script, as ever."""
    script = """
    from dlt.sources.rest_api import rest_api_resources
    def listed():
        return rest_api_resources({"client": {"base_url": "https://a.test"}, "resources": ["x"]})
    @dlt.resource(name="renamed")
    def made():
        yield from listed()
    """
    found = stream(tmp_path, script)
    assert (found.name, found.hints.table, found.retrieve) == ("x", "renamed", None)


def test_a_plan_says_which_function_makes_the_rows(tmp_path):
    """Nothing is asked for such a stream by the plan, so no request is shown."""
    from penstock.cli.describe import request_lines  # noqa: PLC0415 (one use)

    doubled, _ = compiled(tmp_path, ROWS).need().streams
    assert list(request_lines(doubled)) == ["made by doubled"]
