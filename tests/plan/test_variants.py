"""Sources that are made several times over become one: partitions for what differs."""

from __future__ import annotations

import pytest

from penstock.errors import ExprError
from penstock.plan.auth import Bearer, Choose
from penstock.plan.expr import Case, Const, Frame, JoinUrl, Ref, Scope, evaluate
from penstock.plan.hints import Hints
from penstock.plan.pagination import Led
from penstock.plan.python import Lead, Retrieve, Turn
from penstock.plan.records import Call, Keys, Records
from penstock.plan.request import JsonBody, Param, Request, Slot, build
from penstock.plan.slices import Field, Parent, Product, Values
from penstock.plan.source import Input, Source, Stream
from penstock.plan.variants import PARTITION, DifferingError, combined
from penstock.read.steps import Steps

BASE = Const(value="https://a.test")


def stream(path, name="users", **more):
    url = JoinUrl(base=BASE, path=Const(value=path))
    return Stream(name=name, request=Request(url=url), **more)


def source(*streams, **more):
    return Source(name="s", base_url=BASE, streams=streams, **more)


def frame(label):
    return Frame(slice={"partition": {PARTITION: label}, "cursor": {}, "extra": {}})


def labels(made):
    partition = made.partition
    assert isinstance(partition, Values)
    assert partition.name == PARTITION
    return list(partition.values.value)


def param(name, value, place="query"):
    return Param(slot=Slot(place=place, path=(name,)), value=Const(value=value))


def test_what_differs_is_chosen_by_the_slice():
    """One stream, a partition for each source, called after what tells them apart."""
    whole = combined([source(stream("x/users")), source(stream("y/users"))])
    (made,) = whole.streams
    assert labels(made) == ["x/users", "y/users"]
    assert isinstance(made.request.url, Case)
    assert evaluate(made.request.url, frame("y/users")) == "https://a.test/y/users"


def test_what_is_alike_stays_one_stream():
    """The same stream again is the same; those that only one source has are kept."""
    users, teams, days = stream("users"), stream("teams", "teams"), stream("days", "days")
    whole = combined([source(users, teams), source(users, days)])
    assert whole.streams == (users, teams, days)
    three = combined([source(stream("x")), source(stream("y")), source(stream("x"))])
    assert labels(three.streams[0]) == ["x", "y"]


def test_inputs_are_those_of_all():
    """Each source's values are asked for."""
    whole = combined([source(stream("x"), inputs=(Input(name="p"),)),
                      source(stream("y"), inputs=(Input(name="p"), Input(name="q")))])  # fmt: skip
    assert [wanted.name for wanted in whole.inputs] == ["p", "q"]


def test_labels_hold_no_secrets():
    """What may be one is a digest, and only there where nothing else tells them apart."""
    first = stream("u", auth=Bearer(token=Const(value="t0ps3cret")))
    second = stream("u", auth=Bearer(token=Const(value="t1ps3cret")))
    made = combined([source(first), source(second)]).streams[0]
    assert isinstance(made.auth, Choose)
    assert len(set(labels(made))) == 2
    assert "s3cret" not in str(labels(made))
    assert list(dict(made.auth.options)) == labels(made)

    def keyed(key, account):
        params = (param("api_key", key), param("X-Key", key, "header"), param("account", account))
        return Stream(name="u", request=Request(url=BASE, params=params))

    made = combined([source(keyed("k1", "x")), source(keyed("k2", "y"))]).streams[0]
    assert labels(made) == ["x", "y"]
    bodies = [JsonBody(value=Const(value={"password": word})) for word in ("k1", "k2")]
    made = combined([source(Stream(name="u", request=Request(url=BASE, body=body)))
                     for body in bodies]).streams[0]  # fmt: skip
    assert not [label for label in labels(made) if "k1" in label or "k2" in label]
    made = combined([source(keyed("k1", "x")), source(keyed("k2", "x"))]).streams[0]
    assert not [label for label in labels(made) if "k1" in label or "k2" in label]


def test_children_follow_the_parent_of_their_own_source():
    """A child's slice knows which source its parent's record came from."""
    parent = Parent(stream="users", fields=(Field(name="id", path=Keys(path=("id",))),))

    def nested(account):
        child = stream(f"{account}/items", "items", partition=parent)
        below = Parent(stream="items", fields=(Field(name="n", path=Keys(path=("n",))),))
        return source(stream(f"{account}/users"), child, stream(account, "parts", partition=below))

    whole = combined([nested("x"), nested("y")])
    users, items, parts = whole.streams
    assert labels(users) == ["x/users", "y/users"]
    assert isinstance(items.partition, Parent)
    assert items.partition.within
    above = {PARTITION: "y/users"}
    slice_ = {"partition": {"id": 1, "parent_slice": above}}
    assert evaluate(items.request.url, Frame(slice=slice_)) == "https://a.test/y/items"
    slice_ = {"partition": {"n": 1, "parent_slice": {"id": 1, "parent_slice": above}}}
    assert evaluate(parts.request.url, Frame(slice=slice_)) == "https://a.test/y"


def test_an_own_parent_is_combined_with_the_variants():
    """Where the parent is the same for all, each of its records is asked for in each variant."""
    parent = Parent(stream="users", fields=(Field(name="id", path=Keys(path=("id",))),))
    made = combined([source(stream("users"), stream(path, "items", partition=parent))
                     for path in ("x", "y")])  # fmt: skip
    partition = made.stream("items").partition
    assert isinstance(partition, Product)
    assert partition.members[0] == parent


def test_a_param_that_only_one_has_is_null_for_the_others():
    """And is left out of their requests."""

    def asked(*params):
        return source(Stream(name="u", request=Request(url=BASE, params=params)))

    made = combined([asked(param("a", 1), param("b", 2)), asked(param("c", 3), param("a", 4))])
    request = made.streams[0].request
    for label, query in zip(labels(made.streams[0]), ({"a": 1, "b": 2}, {"a": 4, "c": 3}),
                            strict=True):  # fmt: skip
        found = build(request, (), frame(label))
        assert dict(found.query) == {name: str(value) for name, value in query.items()}


def test_functions_are_chosen_too():
    """Rows that functions make are those of the slice's own."""

    def rows(text):
        made = Retrieve(function=lambda *_: [text], name="rows", said=text[0], parts=text)
        return Stream(name="rows", request=Request(url=BASE), retrieve=made)

    made = combined([source(rows("x")), source(rows("y"))]).streams[0]
    assert labels(made) == ["x", "y"]
    assert made.retrieve.function(None, frame("y")) == ["y"]
    again = combined([source(rows("x")), source(rows("x"))]).streams[0]
    assert again.partition is None
    with pytest.raises(DifferingError, match="nothing tells them apart"):
        combined([source(rows("x1")), source(rows("x2"))])


def test_steps_are_those_of_the_slice():
    """Functions of one place are the same where what they enclose is, and else are chosen."""

    def stepped(path, word):
        def note(record):
            return {**record, "word": word}

        step = Call(does="map", function=note, name="note")
        return source(stream(path, records=Records(path=Keys(), steps=(step,))))

    made = combined([stepped("x", "a"), stepped("y", "a")]).streams[0]
    assert made.records.steps[0].by is None
    made = combined([stepped("x", "a"), stepped("y", "b")]).streams[0]
    assert labels(made) == ["x", "y"]
    given, first = [b'{"id":1}'], frame("y")
    assert [bytes(r) for r in Steps(made.records.steps).apply(given, first)] == [
        b'{"id":1,"word":"b"}'
    ]
    with pytest.raises(DifferingError, match="nothing tells them apart"):
        combined([stepped("x", "a"), stepped("x", "b")])


def test_objects_are_the_same_by_what_they_hold():
    """A paginator that each source makes anew is one and the same to all of them."""

    class Pages:
        def __init__(self, size):
            self.size = size

        def begin(self, door, request):
            return Turn(request=request)

        def following(self, *_):
            return None

    def led(path, size):
        pages = Pages(size)
        lead = Lead(begin=pages.begin, following=pages.following, name="Pages")
        return source(stream(path, pagination=Led(lead=lead)))

    assert labels(combined([led("x", 1), led("y", 1)]).streams[0]) == ["x", "y"]
    with pytest.raises(DifferingError, match="another begin"):
        combined([led("x", 1), led("y", 2)])


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (stream("y", hints=Hints(write="replace")), "write"),
        (stream("y", partition=Values(name="n", values=Const(value=[1]))), "parent"),
        (Stream(name="users", request=Request(url=BASE, method="POST")), "method"),
    ],
)
def test_other_differences_are_told(other, what):
    """What a stream cannot have twice is an error that names it."""
    with pytest.raises(DifferingError) as caught:
        combined([source(stream("x")), source(other)])
    assert f"'users' several times, with another {what}" in str(caught.value)


def test_children_need_their_parent_in_each_source():
    """A child that one source lacks would be asked for with the others' records too."""
    parent = Parent(stream="users", fields=(Field(name="id", path=Keys(path=("id",))),))
    child = stream("items", "items", partition=parent)
    with pytest.raises(DifferingError):
        combined([source(stream("x")), source(stream("y"), child)])


def test_a_slice_of_no_variant_is_an_error():
    """The value that a state kept names a source that is not there any more."""
    case = Case(by=Ref(at=Scope.SLICE, path=("partition", PARTITION)),
                options=(("x", Const(value=1)),))  # fmt: skip
    assert case.scope is Scope.SLICE
    with pytest.raises(ExprError, match="there is nothing for 'y'"):
        evaluate(case, frame("y"))
