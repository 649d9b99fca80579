"""Documents: what a user wrote, as nodes that know where they stand and which keys were read."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import msgspec

from penstock.errors import Diagnostic, Place, Severity
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.plan.target import Pipeline, Target

if TYPE_CHECKING:
    from penstock.dialects.repairing.edits import Edit
    from penstock.plan.source import Source

DocumentKind = Literal["yaml", "json", "python", "object"]
Key: TypeAlias = "str | int"

MAX_DEPTH = 200
MAX_NODES = 1_000_000
_UNFOLDED = 50_000  # nodes that a document may have beyond what its text can hold without aliases
_SHOWN_LINE = 400


class SecretRef(msgspec.Struct, frozen=True, kw_only=True):
    """A value the document leaves to the user; `secret` is false where it comes from `config`.

    An `optional` one may have no value, where nothing in its place means something. With `read` a
    text that spells a truth, a number, a list or an object is that, as in `dlt.config["name"]`.
    """

    name: str
    secret: bool = True
    default: JsonValue = None
    optional: bool = False
    read: bool = False


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A text with references in it: the parts stand one after the other."""

    parts: tuple[str | SecretRef, ...]


class Opaque(msgspec.Struct, frozen=True, kw_only=True):
    """A Python object that is no data: a function, a class, an instance."""

    value: object


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A value that could not be read; the document's diagnostics say why."""


Value: TypeAlias = (
    "str | int | float | bool | dict[str, Node] | list[Node] | SecretRef | Joined | Opaque"
    " | Unreadable | None"
)


class Node:
    """A value of a document: where it and its key stand, and which of its keys were read.

    A text that a script has as something else, as a moment, is `like` that.
    """

    __slots__ = ("_read", "column", "document", "key_column", "key_line", "like", "line", "path",
                 "value")  # fmt: skip

    def __init__(  # noqa: PLR0913 (a place is four numbers)
        self,
        value: Value,
        document: Document,
        *,
        line: int = 0,
        column: int = 0,
        key_line: int = 0,
        key_column: int = 0,
        path: tuple[Key, ...] = (),
    ) -> None:
        self.value = value
        self.document = document
        self.line = line
        self.column = column
        self.key_line = key_line
        self.key_column = key_column
        self.path = path
        self.like: object = None
        self._read: set[str] | None = None

    def __repr__(self) -> str:
        return f"Node({self.label or '$'}: {self.kind})"

    @property
    def kind(self) -> str:
        """What it is, in a word for messages."""
        match self.value:
            case None:
                return "null"
            case bool():
                return "a boolean"
            case int() | float():
                return "a number"
            case str() | Joined():
                return "a text"
            case dict():
                return "a mapping"
            case list():
                return "a list"
            case SecretRef():
                return "a reference"
            case Opaque():
                return "a Python object"
            case _:
                return "unreadable"

    @property
    def label(self) -> str:
        """The path as one writes it: `resources[0].endpoint.path`."""
        text = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in self.path)
        return text.removeprefix(".")

    @property
    def place(self) -> Place:
        """Where the value stands."""
        return self.document.place(self.line, self.column, self)

    @property
    def key_place(self) -> Place:
        """Where its key stands; for an item of a list, the item."""
        if not self.key_line:
            return self.place
        return self.document.place(self.key_line, self.key_column, self)

    @property
    def readable(self) -> bool:
        """Whether the value could be read."""
        return not isinstance(self.value, Unreadable)

    @property
    def mapping(self) -> dict[str, Node]:
        """The entries, or none; reading them marks nothing."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The items of a list, or none."""
        return self.value if isinstance(self.value, list) else []

    def get(self, key: str) -> Node | None:
        """The entry called `key`, which counts as read."""
        found = self.mapping.get(key)
        if found is not None:
            if self._read is None:
                self._read = set()
            self._read.add(key)
        return found

    def has(self, key: str) -> bool:
        """Whether there is an entry called `key`; it does not count as read."""
        return key in self.mapping

    def mark(self) -> None:
        """Count this value and everything in it as read."""
        self._read = set(self.mapping)
        for child in (*self.mapping.values(), *self.items):
            child.mark()

    def unread(self) -> Iterator[Node]:
        """The entries that nobody read, also inside those that were."""
        for key, child in self.mapping.items():
            if self._read is None or key not in self._read:
                yield child
            else:
                yield from child.unread()
        for item in self.items:
            yield from item.unread()

    def plain(self) -> JsonValue:
        """The value without places; references and objects become their names."""
        match self.value:
            case dict():
                return {key: child.plain() for key, child in self.value.items()}
            case list():
                return [child.plain() for child in self.value]
            case SecretRef():
                return f"{'secrets' if self.value.secret else 'config'}[{self.value.name!r}]"
            case Joined() | Opaque() | Unreadable():
                return str(self.value)
            case _:
                return self.value


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a document's text that was read: it begins at `line`, `indent` columns in."""

    text: str
    line: int = 1
    indent: int = 0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stream from run to run: what its function and those beside it remember.

    `last` is the newest value of its cursor, if it has a single one, and `path` where that stands.
    """

    own: Mapping[str, Any] = {}
    shared: Mapping[str, Any] = {}
    path: str | None = None
    last: JsonValue = None


class Held(Protocol):
    """What a destination holds of a script's, whoever has loaded it."""

    db_schema: str

    def look(self, *, writes: bool) -> Any:
        """A connection to the tables, DuckDB's or like it; whoever asks for it closes it."""
        ...

    def columns(self) -> Mapping[str, Mapping[str, tuple[str, bool]]]:
        """The columns of each table of the user's, with their types, and whether null may be."""
        ...

    def loaded_before(self) -> bool:
        """Whether a run has loaded there."""
        ...

    def known(self) -> Mapping[str, Known]:
        """What the next run starts from, by stream."""
        ...

    def entries(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """The state of the streams of a source."""
        ...


class Loaded(Held, Protocol):
    """What a run of a script has loaded, for what the script asks behind it.

    `first` says that nothing was loaded there before.
    """

    run_id: str
    status: str
    destination: str
    seconds: float
    rows: Mapping[str, int]
    """Rows by table."""
    first: bool

    def added(self) -> Mapping[str, Mapping[str, tuple[str, bool]]]:
        """The columns that the run has added, by table."""
        ...

    def of(self, streams: Collection[str]) -> Loaded:
        """The same of some streams alone: of one of several runs that were loaded together."""
        ...


class Loader(Protocol):
    """What loads the runs that a script waits for."""

    def load(self, document: Document) -> Loaded:
        """Load what a document says.

        Raises:
            Error: it could not begin.
        """
        ...

    def there(self, target: Target) -> Held | None:
        """What a destination holds before anything is loaded; None where that is not known."""
        ...


class Document:
    """What a user wrote: its file name, text and root node, and what was wrong in reading it.

    `repairs` are the edits that would silence each warning about something read as it is meant.
    `more` are further configurations of a script, each with resources that are called as others;
    with `of_runs` some are of several runs, each of which appends what it reads.
    `others` are what a script loads to other places, where all of it is wanted. A script that was
    answered from what it has loaded is `loaded`: nothing of it is left to do. `lookup` gives the
    value of a name, where one must be known to compile the document, or None.
    """

    def __init__(self, *, file: str, kind: DocumentKind, text: str = "", name: str = "") -> None:
        self.file = file
        self.kind = kind
        self.text = text
        self.body = Body(text=text)
        self.repairs: list[tuple[Diagnostic, tuple[Edit, ...]]] = []
        self.name = name or source_name(file)
        self.diagnostics: list[Diagnostic] = []
        self._said: set[Diagnostic] = set()
        self.root = Node(Unreadable(), self)
        self.more: list[Node] = []
        self.of_runs = False
        self.loaded = False
        self.others: list[Document] = []
        self.target: Target | None = None
        self.pipeline: Pipeline | None = None
        self.components: Path | None = None
        self.lookup: Callable[[str], object] | None = None
        self._lines: list[str] | None = None
        self.nodes = 0

    @classmethod
    def from_object(cls, value: Mapping[str, object], name: str = "source") -> Document:
        """A document made of Python values; its places are paths."""
        from penstock.dialects.from_object import read_object  # noqa: PLC0415 (few need it)

        document = cls(file=name, kind="object", name=name)
        document.root = read_object(document, value)
        return document

    def place(self, line: int, column: int, node: Node | None = None) -> Place:
        """A place in this document; where it has no lines, the path of the node."""
        if not line:
            label = node.label if node else ""
            return Place(file=f"{self.file}: {label}" if label else self.file, line=0, column=0)
        if self._lines is None:
            self._lines = self.text.split("\n")
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        text = text.rstrip("\r")
        shown = text if len(text) <= _SHOWN_LINE else ""
        return Place(file=self.file, line=line, column=column, text=shown)

    def say(  # noqa: PLR0913, PLR0917 (a diagnostic, and what silences it)
        self,
        severity: Severity,
        code: str,
        message: str,
        place: Place | None,
        hint: str | None = None,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        """Add a diagnostic, once, with the edits of the text that would silence it."""
        said = Diagnostic(code=code, severity=severity, message=message, place=place, hint=hint)
        if said not in self._said:
            self._said.add(said)
            self.diagnostics.append(said)
            if edits:
                self.repairs.append((said, edits))

    def speakable(self) -> bool:
        """Whether no text has half of a surrogate pair, which nobody can send; one is diagnosed."""
        if self.text and "\\u" not in self.text.lower():
            return True
        odd = next((node for node in _nodes(self.root) if _halved(node)), None)
        if odd is not None:
            message = "a text holds half of a surrogate pair, which is no character"
            self.say("error", "not-text", message, odd.place)
        return odd is None

    def count(self) -> bool:
        """Count one more node; false once there are too many."""
        self.nodes += 1
        return self.nodes <= self.room

    @property
    def room(self) -> int:
        """How many nodes it may have: more than its text can hold come of aliases alone."""
        written = len(self.text) if self.text else MAX_NODES
        return min(MAX_NODES, written + _UNFOLDED)


@contextmanager
def at_one_go() -> Iterator[None]:
    """Make many objects that all stay, without a search for garbage after every few hundred.

    Each search goes through all there are so far: it took more than half of the time. What was
    made is then as old as if it had outlived many of them.
    """
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if wanted:
            gc.enable()


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in (*node.mapping.values(), *node.items):
        yield from _nodes(child)


def _halved(node: Node) -> bool:
    """Whether a text or a key of a node cannot be written as UTF-8."""
    texts = [node.value] if isinstance(node.value, str) else list(node.mapping)
    return any(_HALF.search(text) for text in texts)


_HALF = pattern("[\ud800-\udfff]")


def source_name(file: str) -> str:
    """The name of a source from its file's: the stem in lower case, with `_` for the rest.

    A stem that begins with a digit gets `source_` in front, so that it can name a schema.
    """
    stem = re.split(r"[/\\]", file)[-1]
    stem = stem.rpartition(".")[0] or stem
    name = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
    return name if name and not name[0].isdigit() else f"source_{name}".rstrip("_")


_REFERENCE = pattern(r"""\s*(?:dlt\.)?(secrets|config)\[\s*(?:"([^"]+)"|'([^']+)')\s*\]\s*""")


_INSIDE = pattern(r"""\{dlt\.(secrets|config)\[(?:"([^"]+)"|'([^']+)')\]\}""")


def scalar(text: str) -> str | SecretRef | Joined:
    """A text scalar; one that is written `dlt.secrets["x"]` or `config['x']` is a reference.

    So is `{dlt.secrets["x"]}` inside a longer text, as in Python's f-strings.
    """
    if "{dlt." in text:
        return _with_references(text)
    if not text.endswith("]") or "[" not in text:
        return text
    found = _REFERENCE.fullmatch(text)
    if not found:
        return text
    return SecretRef(name=found[2] or found[3], secret=found[1] == "secrets", read=True)


def decoded(data: bytes) -> str | Opaque:
    """Bytes as a text; what is no UTF-8 is no data, as another value would be sent in its place."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Opaque(value=data)


def _with_references(text: str) -> str | Joined:
    parts: list[str | SecretRef] = []
    at = 0
    for found in _INSIDE.finditer(text):
        secret = found[1] == "secrets"
        reference = SecretRef(name=found[2] or found[3], secret=secret, read=True)
        parts += [text[at : found.start()], reference]
        at = found.end()
    held = tuple(part for part in (*parts, text[at:]) if part != "")
    return Joined(parts=held) if parts else text
