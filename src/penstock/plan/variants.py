"""Sources that a document makes several times over, as one: what differs becomes a partition.

Streams of one name ask the same of another account, host or day. The stream that stands for all of
them has a partition for each, called after what tells it from the others, so that their rows go to
one table and each keeps a cursor of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CellType, FunctionType, MethodType

import msgspec

from penstock.errors import Error
from penstock.patterns import pattern
from penstock.plan.auth import Auth, Choose
from penstock.plan.expr import Case, Const, Expr, Ref, Scope, as_text, evaluate_text, walk
from penstock.plan.python import Retrieve
from penstock.plan.records import Call
from penstock.plan.request import Param, Request
from penstock.plan.slices import Parent, Partition, Product, Values, leaves, parents_of
from penstock.plan.source import Source, Stream

PARTITION = "source"
SENSITIVE = pattern(r"auth|key|pass|secret|sig|token", re.IGNORECASE)
_BODY = "value"  # what the field of a body is called, in which anything may stand
_DEPTH = 12  # to which values are compared
_DIGITS = 12  # of a digest that stands for what must not be shown
_Choice = Callable[[Sequence[object], str], object]


class DifferingError(Error):
    """Streams of one name differ in what cannot differ within a stream."""

    code = "duplicate-name"

    def __init__(self, stream: str, what: str) -> None:
        super().__init__(
            f"the script makes {stream!r} several times, with another {what}",
            hint="give each a name of its own",
        )
        self.stream = stream


class Varied(msgspec.Struct, frozen=True, kw_only=True):
    """A stream with variants: the label of each source that has it, and where a slice holds it."""

    labels: Mapping[int, str]
    way: tuple[str, ...]


def combined(sources: Sequence[Source], *, each: bool = False) -> Source:
    """The sources as one, in which streams of one name are one stream.

    Those that are alike are read once; with `each` that is an error where they append, unless
    others have a cursor for each source.

    Raises:
        DifferingError: some of them differ in more than what is asked for, and with whose
            credentials; or some are alike, and the rows of each are appended.
    """
    named: dict[str, dict[int, Stream]] = {}
    for nth, source in enumerate(sources):
        for stream in source.streams:
            named.setdefault(stream.name, {})[nth] = stream
    _unneeded_once(sources, named)
    varied: dict[str, Varied] = {}
    made: dict[str, Stream] = {}
    for name in _parents_first(named):
        made[name] = _one(name, named[name], varied)
    # Where variants follow a cursor, they stay together: each of them keeps its own so.
    if each and all(made[name].cursor is None for name in varied):
        for name, streams in named.items():
            _check_each(name, streams, varied.get(name))
    inputs = {one.name: one for source in sources for one in source.inputs}
    homes = _homes(sources, named)
    return msgspec.structs.replace(
        sources[0],
        streams=tuple(made[name] for name in named),
        inputs=tuple(inputs.values()),
        homes=homes,
    )


def _homes(
    sources: Sequence[Source], named: Mapping[str, Mapping[int, Stream]]
) -> tuple[tuple[str, str], ...]:
    """Where streams are at home that are there in one place only."""
    held = [dict(source.homes) for source in sources]
    found = {name: {held[nth].get(name) for nth in streams} for name, streams in named.items()}
    single = ((name, homes.pop()) for name, homes in found.items() if len(homes) == 1)
    return tuple((name, home) for name, home in single if home is not None)


def _unneeded_once(sources: Sequence[Source], named: dict[str, dict[int, Stream]]) -> None:
    """Leave out of `named` what a source neither loads nor reads for others, if another has it.

    What stands below a stream that is read stays: it has the variants of its parent.
    """
    for nth, source in enumerate(sources):
        by_name = {stream.name: stream for stream in source.streams}
        order = list(_parents_first({name: {nth: stream} for name, stream in by_name.items()}))
        above = {n: {p.stream for p in parents_of(by_name[n].partition)} for n in order}
        needed = {stream.name for stream in source.streams if stream.selected}
        for name in reversed(order):
            needed |= above[name] if name in needed else set()
        for name in order:
            if above[name] & needed:
                needed.add(name)
            elif name not in needed and len(named[name]) > 1:
                del named[name][nth]


def _parents_first(named: Mapping[str, Mapping[int, Stream]]) -> Iterator[str]:
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done or name not in named:
            return
        done.add(name)
        for stream in named[name].values():
            for parent in parents_of(stream.partition):
                yield from visit(parent.stream)
        yield name

    for name in named:
        yield from visit(name)


def _one(name: str, streams: Mapping[int, Stream], varied: dict[str, Varied]) -> Stream:
    """The stream that stands for all of one name; that it has variants is noted."""
    loaded = [stream for stream in streams.values() if stream.selected]
    streams = {
        nth: msgspec.structs.replace(stream, selected=bool(loaded))
        for nth, stream in streams.items()
    }
    first = next(iter(streams.values()))
    streams = {nth: _without_client(stream, first) for nth, stream in streams.items()}
    listed = list(streams.values())
    above = {p.stream: varied[p.stream] for p in parents_of(first.partition) if p.stream in varied}
    if any(set(found.labels) != set(streams) for found in above.values()):
        raise DifferingError(name, "parent")
    if all(same(stream, first) for stream in listed):
        return first
    partition = _mixed([stream.partition for stream in listed], name, "parent", _refused(name))
    bare = [msgspec.structs.replace(stream, partition=None) for stream in listed]
    if above:
        (parent,) = above.values()
        known = Varied(labels=parent.labels, way=("parent_slice", *parent.way))
    else:
        labels = dict(zip(streams, _labels(name, bare), strict=True))
        known = Varied(labels=labels, way=(PARTITION,))
    varied[name] = known
    labels_here = [known.labels[nth] for nth in streams]
    by = Ref(at=Scope.SLICE, path=("partition", *known.way))
    stream = _mixed(bare, name, "stream", _chosen(name, by, labels_here))
    assert isinstance(stream, Stream), "streams are mixed into one"
    return msgspec.structs.replace(
        stream, partition=_parted(name, partition, known, inherited=bool(above))
    )


def _without_client(stream: Stream, first: Stream) -> Stream:
    """A stream whose rows a class makes, with the client of the first: it asks nothing by that."""
    if stream.retrieve is None or first.retrieve is None:
        return stream
    names = ("request", "auth", "decoder", "pagination", "policy")
    return msgspec.structs.replace(stream, **{name: getattr(first, name) for name in names})


def _check_each(name: str, streams: Mapping[int, Stream], varied: Varied | None) -> None:
    """Make sure that no rows are appended several times over, each by a stream like another."""
    adding = [
        nth for nth, stream in streams.items()
        if stream.selected and stream.cursor is None and _may_append(stream)
    ]  # fmt: skip
    labels = {varied.labels[nth] if varied is not None else "" for nth in adding}
    if len(labels) < len(adding):
        raise DifferingError(name, "run")


def _may_append(stream: Stream) -> bool:
    """Whether rows of a stream are appended; a class may say so of tables whatever it is itself."""
    marks = stream.retrieve is not None and stream.retrieve.marks
    return stream.hints.write == "append" or marks


def _parted(name: str, given: object, known: Varied, *, inherited: bool) -> Partition:
    """The partition of a stream with variants; those of a child are in its parent's slices."""
    if inherited:
        if not isinstance(given, Parent):
            raise DifferingError(name, "parent")
        return msgspec.structs.replace(given, within=True)
    labels = tuple(dict.fromkeys(known.labels.values()))
    own = Values(name=PARTITION, values=Const(value=labels))
    if given is None:
        return own
    assert isinstance(given, Partition), "the partition of a stream"
    if any(isinstance(leaf, Values) and leaf.name == PARTITION for leaf in leaves(given)):
        raise DifferingError(name, "partition")
    return Product(members=(given, own))


# What differs.


def _mixed(values: Sequence[object], name: str, what: str, choose: _Choice) -> object:
    """Values of the same form as one; `choose` makes one of those that may differ.

    `what` says what they are, for messages and to tell what must not be shown.
    """
    first = values[0]
    if all(same(value, first) for value in values):
        return first
    for kind in (Expr, Auth, Retrieve, Call):
        if all(isinstance(value, kind) for value in values):
            return choose(values, what)
    if isinstance(first, Request):
        values = _aligned([value for value in values if isinstance(value, Request)])
    if isinstance(first, msgspec.Struct) and all(type(value) is type(first) for value in values):
        found = {
            field: _mixed([getattr(v, field) for v in values], name, _called(first, field), choose)
            for field in first.__struct_fields__
        }
        return msgspec.structs.replace(first, **found)
    if isinstance(first, tuple):
        tuples = [value for value in values if isinstance(value, tuple)]
        if len(tuples) == len(values) and len({len(value) for value in tuples}) == 1:
            rows = zip(*tuples, strict=True)
            return tuple(_mixed(row, name, what, choose) for row in rows)
    raise DifferingError(name, what)


def _aligned(requests: Sequence[Request]) -> Sequence[Request]:
    """The requests with the same params, those that one lacks as nulls, which are left out."""
    held = [{param.slot: param for param in request.params} for request in requests]
    if any(len(names) < len(r.params) for names, r in zip(held, requests, strict=True)):
        return requests
    slots = dict.fromkeys(slot for params in held for slot in params)
    lacking = {slot: Param(slot=slot, value=Const(value=None)) for slot in slots}
    return [
        msgspec.structs.replace(request, params=tuple((lacking | params).values()))
        for request, params in zip(requests, held, strict=True)
    ]


def _called(of: msgspec.Struct, field: str) -> str:
    return f"{of.slot.place} param {of.slot.name!r}" if isinstance(of, Param) else field


def _refused(name: str) -> _Choice:
    def choose(_values: Sequence[object], what: str) -> object:
        raise DifferingError(name, what)

    return choose


def _chosen(name: str, by: Ref, labels: Sequence[str]) -> _Choice:
    """What takes of several values the one of the slice that is read."""

    def choose(values: Sequence[object], what: str) -> object:
        options = tuple(dict(zip(labels, values, strict=True)).items())
        exprs = tuple((k, v) for k, v in options if isinstance(v, Expr))
        auths = tuple((k, v) for k, v in options if isinstance(v, Auth))
        if len(exprs) == len(options):
            return Case(by=by, options=exprs)
        if len(auths) == len(options):
            return Choose(by=by, options=auths)
        calls = [(k, v) for k, v in options if isinstance(v, Call)]
        if len(calls) == len(options) and len({call.does for _, call in calls}) == 1:
            functions = tuple((k, call.function) for k, call in calls)
            return msgspec.structs.replace(calls[0][1], by=by, options=functions)
        made = {k: v for k, v in options if isinstance(v, Retrieve)}
        if len(made) < len(options):
            raise DifferingError(name, what)
        return Retrieve(
            function=lambda door, frame: made[evaluate_text(by, frame)].function(door, frame),
            name=next(iter(made.values())).name,
            parts=tuple(one.parts for one in made.values()),
            calls=all(one.calls for one in made.values()),
            sources=tuple((label, nth) for label, one in made.items() for _, nth in one.sources),
            marks=any(one.marks for one in made.values()),
        )

    return choose


# What is the same.


def same(one: object, other: object, depth: int = _DEPTH) -> bool:
    """Whether two values say the same; functions do that were made at one place, of the same."""
    if one is other:
        return True
    if type(one) is not type(other) or depth == 0:
        return False
    match one:
        case Retrieve():
            assert isinstance(other, Retrieve), "of one type"
            return one.name == other.name and same(one.parts, other.parts, depth - 1)
        case msgspec.Struct():
            names = one.__struct_fields__
            return all(same(getattr(one, n), getattr(other, n), depth - 1) for n in names)
        case list() | tuple():
            assert isinstance(other, (list, tuple)), "of one type"
            pairs = zip(one, other, strict=False)
            return len(one) == len(other) and all(same(a, b, depth - 1) for a, b in pairs)
        case dict():
            assert isinstance(other, dict), "of one type"
            return one.keys() == other.keys() and all(
                same(value, other[key], depth - 1) for key, value in one.items()
            )
        case FunctionType():
            assert isinstance(other, FunctionType), "of one type"
            made = one.__code__ is other.__code__ or one.__code__ == other.__code__
            return made and same(captured(one), captured(other), depth - 1)
        case MethodType():
            assert isinstance(other, MethodType), "of one type"
            of_one = one.__func__ is other.__func__
            return of_one and same(one.__self__, other.__self__, depth - 1)
        case _ if type(one).__eq__ is not object.__eq__:
            return bool(one == other)
        case _:
            held: object = getattr(one, "__dict__", None)
            return held is not None and same(held, getattr(other, "__dict__", None), depth - 1)


def captured(function: FunctionType) -> dict[str, object]:
    """What a function was made with besides its code: what it encloses, and its defaults."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    found: dict[str, object] = {name: content(cell) for name, cell in cells}
    found |= {f"#{nth}": value for nth, value in enumerate(function.__defaults__ or ())}
    return found | dict(function.__kwdefaults__ or {})


def content(cell: CellType, otherwise: object = None) -> object:
    """What a variable that functions enclose holds; `otherwise` where it is not filled yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return otherwise


# What each variant is called.


def _labels(name: str, streams: Sequence[Stream]) -> list[str]:
    """Names for streams by what is asked for; by digests of what must not be shown, if needed."""
    shown: list[list[str]] = [[] for _ in streams]
    hidden: list[list[str]] = [[] for _ in streams]

    def note(values: Sequence[object], what: str) -> object:
        secret = bool(SENSITIVE.search(what)) or what.startswith(("header", "cookie", _BODY))
        if isinstance(values[0], Call):
            return values[0]  # it goes with what it is called with
        into = hidden if secret or isinstance(values[0], Auth) else shown
        for texts, text in zip(into, _apart(values), strict=True):
            texts.append(text)
        return values[0]

    _mixed(streams, name, "stream", note)
    labels = [" ".join(texts) for texts in shown]
    if not _told_apart(labels, streams):
        labels = [
            f"{label} {digest(repr(secret))}".strip()
            for label, secret in zip(labels, hidden, strict=True)
        ]
    if not _told_apart(labels, streams):
        raise DifferingError(name, "function, and nothing tells them apart")
    return labels


def _told_apart(labels: Sequence[str], streams: Sequence[Stream]) -> bool:
    """Whether streams of one label are the same."""
    first: dict[str, Stream] = {}
    pairs = zip(labels, streams, strict=True)
    return all(same(first.setdefault(label, stream), stream) for label, stream in pairs)


def digest(text: str) -> str:
    """What stands for a text that must not be shown."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _apart(values: Sequence[object]) -> list[str]:
    """What tells values of one form apart, as texts: no more of them than differs."""
    first = values[0]
    if isinstance(first, msgspec.Struct) and all(type(value) is type(first) for value in values):
        if isinstance(first, Retrieve):
            return [value.said for value in values if isinstance(value, Retrieve)]
        names = first.__struct_fields__
        fields = ([getattr(value, name) for value in values] for name in names)
        differing = [found for found in fields if len(set(map(repr, found))) > 1]
        if differing and not isinstance(first, Const):
            columns = [_apart(found) for found in differing]
            return [" ".join(row) for row in zip(*columns, strict=True)]
    return [_text(value) for value in values]


def _text(value: object) -> str:
    if isinstance(value, Expr):
        return " ".join(_words(value))
    return value if isinstance(value, str) else repr(value)


def _words(expr: Expr) -> Iterator[str]:
    for one in walk(expr):
        if isinstance(one, Const):
            yield as_text(one.value)
        elif isinstance(one, Ref):
            yield ".".join(map(str, one.path))
