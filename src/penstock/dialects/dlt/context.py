"""What every part of the dialect shares while one document is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from penstock.dialects.dlt.foreign import referring
from penstock.dialects.document import Document, Joined, Node, Opaque, SecretRef, Unreadable
from penstock.dialects.repairing.edits import Rewrite
from penstock.errors import closest_or_all
from penstock.plan.expr import Concat, Const, Expr, JsonValue, Ref, Scope, spelled
from penstock.plan.source import Input

if TYPE_CHECKING:
    from penstock.dialects.repairing.edits import Edit

# What to write in place of a key of another tool, to which no key of dlt's is near.
_INSTEAD = {
    "error_handler": "which answers are errors is said by response_actions of the endpoint, "
    "and which are asked for again by retry of the client",
    "stop_condition": "leave it out: the pages end where an answer names no next one",
    "cursor_field": 'write "incremental" with "cursor_path" into the endpoint',
    "extractor": "where the records are is said by data_selector of the endpoint",
    "record_selector": "where the records are is said by data_selector of the endpoint",
    "cursor_value": 'write cursor_path, or for a link "type": "json_link" and next_url_path',
    "refresh_token": "write it into access_token_request_data: "
    '{"grant_type": "refresh_token", "refresh_token": dlt.secrets["refresh_token"]}',
}


class Context:
    """The document being compiled, what was said about it, and the inputs it asks for."""

    def __init__(self, document: Document, values: Mapping[str, JsonValue]) -> None:
        self.document = document
        self.values = values
        self.inputs: dict[str, Input] = {}
        self.optional: set[str] = set()  # inputs that may have no value wherever they stand
        self.beside: set[str] = set()  # streams whose functions wait for no others

    # Saying things.

    def error(
        self, code: str, message: str, node: Node, hint: str | None = None, *, key: bool = False
    ) -> None:
        """The document is wrong here."""
        place = node.key_place if key else node.place
        self.document.say("error", code, message, place, hint)

    def warn(  # noqa: PLR0913 (a warning, and how it is silenced)
        self,
        code: str,
        message: str,
        node: Node,
        hint: str | None = None,
        *,
        key: bool = False,
        edits: tuple[Edit, ...] = (),
    ) -> None:
        """The document was read as it is meant, or says something that changes nothing.

        `edits` are what the hint says, done.
        """
        place = node.key_place if key else node.place
        self.document.say("warning", code, message, place, hint, edits)

    def gap(self, node: Node, message: str, hint: str | None = None) -> None:
        """The document says something that the plan does not honour, and that loses nothing."""
        self.warn("gap", message, node, hint, key=True)

    @property
    def failed(self) -> bool:
        """Whether an error was found."""
        return any(d.severity == "error" for d in self.document.diagnostics)

    # Reading values, with a diagnostic where they are not what they must be.

    def keys(
        self,
        node: Node,
        known: Iterable[str],
        what: str,
        elsewhere: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Diagnose every key of a mapping that `what` does not have.

        `elsewhere` says of keys where they belong.
        """
        names = tuple(known)
        for key, child in node.mapping.items():
            if key not in names:
                node.get(key)
                child.mark()
                hint = elsewhere.get(key) or _INSTEAD.get(key)
                hint = hint or nearest(key, (name for name in names if " " not in name))
                self.error("unknown-key", f"{what} has no key {key!r}", child, hint, key=True)

    def wrong(self, node: Node, expected: str, hint: str | None = None) -> None:
        """Diagnose a value of the wrong type; one that could not be read was diagnosed before."""
        if node.readable:
            name = node.label or "the document"
            refers = isinstance(node.value, (SecretRef, Joined))
            known = "it must be known by now: say its value, as in .dlt/config.toml"
            kind = "a reference without a value" if refers else node.kind
            message = f"{name} must be {expected}, not {kind}"
            self.error("wrong-type", message, node, known if refers else hint)

    def missing(self, node: Node, key: str, what: str, hint: str | None = None) -> None:
        """Diagnose a key that `what` needs."""
        self.error("missing-key", f"{what} needs {key!r}", node, hint)

    def mapping(self, node: Node | None, hint: str | None = None) -> bool:
        """Whether it is a mapping; else that is diagnosed, unless it is absent or null."""
        if node is None or node.value is None:
            return False
        if isinstance(node.value, dict):
            return True
        self.wrong(node, "a mapping", hint)
        return False

    def static(self, node: Node) -> JsonValue | Unreadable:
        """The value as far as it is known now: a reference is its given value or its default."""
        match node.value:
            case SecretRef():
                return self._known(node.value)
            case Joined():
                held = [p if isinstance(p, str) else self._known(p) for p in node.value.parts]
                return Unreadable() if None in held else "".join(str(p) for p in held)
            case dict() | list() | Opaque() | Unreadable():
                return Unreadable()
            case _:
                return node.value

    def _known(self, reference: SecretRef) -> JsonValue:
        """What a reference is as far as it is known now, or None."""
        self.input(reference)
        found = self.values.get(reference.name)
        lookup = self.document.lookup
        if found is None and lookup is not None:
            said = lookup(reference.name)
            found = said if isinstance(said, (str, int, float, bool)) else None
        found = reference.default if found is None else found
        return spelled(found) if reference.read and isinstance(found, str) else found

    def text(self, node: Node | None, default: str | None = None) -> str | None:
        """A text that must be known now; null is the default."""
        if node is None or node.value is None:
            return default
        value = self.static(node)
        if isinstance(value, str):
            return value
        self.wrong(node, "a text")
        return default

    def whole(
        self, node: Node | None, default: int | None = None, *, least: int | None = None
    ) -> int | None:
        """A whole number that must be known now; one in quotes is taken for it."""
        if node is None or node.value is None:
            return default
        value = self.static(node)
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            if least is not None and value < least:
                message = f"{node.label} must be at least {least}, not {value}"
                self.error("wrong-type", message, node)
                return default
            return value
        self.wrong(node, "a whole number")
        return default

    def number(self, node: Node | None, default: float = 0.0) -> float:
        """A number that must be known now."""
        if node is None or node.value is None:
            return default
        value = self.static(node)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        self.wrong(node, "a number")
        return default

    def flag(self, node: Node | None, *, default: bool) -> bool:
        """A boolean."""
        if node is None or node.value is None:
            return default
        value = self.static(node)
        if isinstance(value, bool):
            return value
        self.wrong(node, "true or false")
        return default

    def choice(self, node: Node | None, options: tuple[str, ...], default: str) -> str:
        """One of a few words."""
        found = self.text(node)
        if found is None:
            return default
        if found in options:
            return found
        assert node is not None, "a text has a node"
        hint = nearest(found, options)
        self.error("unknown-value", f"{node.label} cannot be {found!r}", node, hint)
        return default

    def texts(self, node: Node | None) -> tuple[str, ...]:
        """A text or a list of texts."""
        if node is None or node.value is None:
            return ()
        if isinstance(node.value, str):
            return (node.value,)
        if isinstance(node.value, list):
            found = (self.text(item) for item in node.value)
            return tuple(text for text in found if text is not None)
        self.wrong(node, "a text or a list of texts")
        return ()

    # Expressions.

    def expr(self, node: Node, *, optional: bool = False, read: bool = False) -> Expr:
        """The value as an expression: references are looked up in the run.

        With `optional` null means something here, so that a reference may have no value; with
        `read` so does a truth, a number or a list, which a text may spell.
        """
        match node.value:
            case SecretRef():
                said = node.value
                return self.input(
                    said, optional=optional and said.optional, read=read and said.read
                )
            case Joined():
                return joined(
                    tuple(
                        Const(value=p) if isinstance(p, str) else self.input(p)
                        for p in node.value.parts
                    )
                )
            case dict() | list():
                return Const(value=node.plain())
            case Opaque():
                self.wrong(node, "a plain value")
                return Const(value=None)
            case Unreadable():
                return Const(value=None)
            case str():
                self._mended(node, secret=False)
                return Const(value=node.value) if isinstance(node.value, str) else self.expr(node)
            case _:
                return Const(value=node.value)

    def _mended(self, node: Node, *, secret: bool) -> None:
        """Take what is another tool's reference to a value for one, which dlt would send as text.

        It is a repair, and only for what no template of dlt's stands in.
        """
        if not isinstance(node.value, str) or not ("{{" in node.value or "${" in node.value):
            return
        found = referring(node.value, secret=secret)
        if found is None:
            return
        message = f"{node.label} refers to a value as another tool does, and is read as it is meant"
        names = found.parts if isinstance(found, Joined) else (found,)
        kind = "secrets" if secret else "config"
        asked = dict.fromkeys(p.name for p in names if isinstance(p, SecretRef))
        hint = f"write {' and '.join(f'dlt.{kind}[{name!r}]' for name in asked)}"
        self.warn("renamed-value", message, node, hint, edits=(Rewrite(node=node, value=found),))
        node.value = found

    def secret(self, node: Node) -> Expr:
        """A credential as an expression; an input that stands for one is secret."""
        self._mended(node, secret=True)
        found = self.expr(node)
        if isinstance(node.value, SecretRef):
            name = node.value.name
            self.inputs[name] = replace(self.inputs[name], secret=True)
        elif isinstance(node.value, (dict, list)):
            self.wrong(node, "a text")
        return found

    def input(
        self,
        reference: SecretRef,
        before: tuple[str, ...] = (),
        *,
        optional: bool = False,
        read: bool = False,
    ) -> Ref:
        """The value the user brings under this name, or one of those that come before it."""
        name = reference.name
        if name not in self.inputs:
            self.inputs[name] = Input(
                name=name,
                before=before,
                secret=reference.secret,
                required=reference.default is None and not optional,
                default=reference.default,
            )
            if optional:
                self.optional.add(name)
        elif name in self.optional and not optional:
            self.optional.discard(name)
            self.inputs[name] = replace(self.inputs[name], required=reference.default is None)
        return Ref(at=Scope.SOURCE, path=(name,), read=read)


def joined(parts: tuple[Expr, ...]) -> Expr:
    """The parts as one text; a single part stays what it is."""
    if not parts:
        return Const(value="")
    flat = (p for part in parts for p in (part.parts if isinstance(part, Concat) else (part,)))
    return parts[0] if len(parts) == 1 else Concat(parts=tuple(flat))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the valid word nearest to `word`, else all of them."""
    return closest_or_all(word, sorted(known))
