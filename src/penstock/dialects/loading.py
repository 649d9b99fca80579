"""Finds and reads a source: a file, an attribute of a module, or a bundled connector."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec

from penstock import connectors
from penstock.dialects.document import Body, Document, Loader
from penstock.errors import Diagnostic, Place, PlanError, did_you_mean
from penstock.patterns import pattern

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.execute import Script
    from penstock.plan.door import Door

SUFFIXES = (".yaml", ".yml", ".json", ".py", ".md", ".txt")
MAX_BYTES = 32_000_000
_ATTRIBUTE = pattern(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_TITLE = pattern(r"^#[ \t]+(\S[^\n]*)$", re.MULTILINE)
# What a fence calls Python: pages also have words of their own for it, as "python-outcome".
_PYTHON = pattern(r"(?:py(?:thon)?3?(?:-[\w-]*)?)?")
_FENCE = pattern(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*$")


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """Which code of the user's may be executed: that in a text only where `inside_text` says so.

    `lookup` gives the value of a name, or `ABSENT`, to a script that computes with it; written as
    `section/name` it is looked for where values of a source of that name stand. `nearest` gives the
    first of several such names that has a value. `loader` loads what a script builds while it
    waits, where it asks for what it has loaded; `outside` is what it asks an API through meanwhile.
    `arguments` are those of its command line. With `whole` all that it loads is wanted, also to
    other places than the first.
    """

    inside_text: bool = False
    lookup: Callable[[str], object] | None = None
    nearest: Callable[[tuple[str, ...]], str | None] | None = None
    outside: Door | None = None
    loader: Loader | None = None
    arguments: tuple[str, ...] = ()
    whole: bool = False


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A fenced block: its text without the fence's indent, and the line it begins at."""

    language: str
    text: str
    line: int
    indent: int

    @property
    def body(self) -> Body:
        """What is read of the document."""
        return Body(text=self.text, line=self.line, indent=self.indent)


def _whole(text: str) -> Block:
    """A text that is one block."""
    return Block(language="", text=text, line=1, indent=0)


def load_document(spec: str, code: Code | None = None) -> Document:
    """The document of a source. Code is executed where `code` says so.

    Raises:
        PlanError: there is none, or it cannot be read at all.
    """
    code = code or Code()
    path = Path(spec)
    if path.is_file():
        return read_file(path, code)
    script, colon, attribute = spec.rpartition(":")
    if colon and attribute.isidentifier() and Path(script).suffix == ".py":
        if Path(script).is_file():
            return read_file(Path(script), code, attribute)
        _unknown(script)
    if path.suffix in SUFFIXES or path.is_dir() or "/" in spec:
        _unknown(spec)
    if spec in connectors.names():
        document = read_file(connectors.path(spec))
        document.name = spec
        return document
    if not _ATTRIBUTE.fullmatch(spec):
        _unknown(spec)
    return _from_module(spec, code)


def reread(spec: str, text: str, code: Code) -> Document:
    """The document of a source whose file has another text."""
    path, attribute = Path(spec), None
    if not path.is_file():
        script, _, attribute = spec.rpartition(":")
        path = Path(script)
    suffix = path.suffix.lower()
    return read_text(text, file=str(path), suffix=suffix, code=code, attribute=attribute)


def _fail(code: str, message: str, hint: str | None = None) -> NoReturn:
    raise PlanError([Diagnostic(code=code, severity="error", message=message, hint=hint)])


def _unknown(spec: str) -> NoReturn:
    """Say that there is no such source, and which name is nearest."""
    path = Path(spec)
    names = list(connectors.names())
    if path.parent.is_dir():
        names += [str(path.parent / p.name) for p in path.parent.iterdir() if p.suffix in SUFFIXES]
    if path.is_dir():
        _fail("no-source", f"{spec!r} is a folder, not a document")
    known = ", ".join(connectors.names())
    forms = f"a file, module:attribute, or one of: {known}"
    hint = did_you_mean(spec, names, cutoff=0.5) or forms
    _fail("no-source", f"there is no source {spec!r}", hint)


def read_file(path: Path, code: Code | None = None, attribute: str | None = None) -> Document:
    """The document in a file; `attribute` names what to take of a script.

    Raises:
        PlanError: it cannot be read, is no text, or is too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            _fail("too-large", f"{path} is larger than {MAX_BYTES // 1_000_000} MB")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        _fail("not-text", f"{path} is not UTF-8 text: {exc.reason} at byte {exc.start}")
    except OSError as exc:
        _fail("no-source", f"{path} cannot be read: {exc.strerror or exc}")
    text, suffix = text.replace("\r\n", "\n"), path.suffix.lower()
    return read_text(text, file=str(path), suffix=suffix, code=code, attribute=attribute)


def read_text(
    text: str,
    *,
    file: str,
    suffix: str,
    code: Code | None = None,
    attribute: str | None = None,
) -> Document:
    """The document in a text, read as files with this suffix are; without `code` none is executed.

    `attribute` names what to take of a script.
    """
    match suffix:
        case ".json":
            document = _read("json", _whole(text), file)
        case ".py":
            document = _script(text, file, code, attribute)
        case ".md" | ".txt":
            document = _fenced(text, file, code)
        case _:
            document = _read("yaml", _whole(text), file)
    document.lookup = code.lookup if code is not None else None
    return document


def _read(kind: str, block: Block, file: str, whole: str | None = None) -> Document:
    text = block.text if whole is None else whole
    if kind == "json":
        from penstock.dialects.from_json import read_json  # noqa: PLC0415 (one reader a document)

        document = Document(file=file, kind="json", text=text)
        document.root = read_json(document, block.text, block.line, block.indent)
    else:
        from penstock.dialects.from_yaml import read_yaml  # noqa: PLC0415 (one reader a document)

        document = Document(file=file, kind="yaml", text=text)
        document.root = read_yaml(document, block.text, block.line, block.indent)
    document.body = block.body
    return document


def _script(text: str, file: str, code: Code | None, attribute: str | None) -> Document:
    """The document of a script: read from its text if that says all, else of what it builds."""
    found = _python(_whole(text), text, file, code, attribute)
    if found is not None:
        return found
    document = Document(file=file, kind="python", text=text)
    document.say(
        "error",
        "no-source",
        "this script builds no source" + ("" if code else " that can be read from its text"),
        document.place(1, 1),
        "it calls neither rest_api_source nor rest_api_resources with a configuration",
    )
    return document


def _python(
    block: Block, text: str, file: str, code: Code | None, attribute: str | None = None
) -> Document | None:
    """The document of some Python, or None if that builds no source."""
    from penstock.dialects.dlt.script import read_script  # noqa: PLC0415 (one reader a document)

    document = Document(file=file, kind="python", text=text)
    document.body = block.body
    root = read_script(document, block.text, block.line, block.indent)
    said = {d.code for d in document.diagnostics if d.severity == "error"}
    if code is not None and "python-syntax" not in said:
        complete = root is not None and attribute is None and not said
        several = any(d.code == "several-sources" for d in document.diagnostics)
        complete = complete and not (code.whole and several)
        executed = (
            None if complete and _is_plain(block) else _executed(block, text, file, code, attribute)
        )
        if executed is not None:
            return executed
    if root is None:
        return None
    document.root = root
    return document


def _is_plain(block: Block) -> bool:
    from penstock.dialects.dlt.standin.plain import is_plain  # noqa: PLC0415 (scripts only)

    return is_plain(block.text)


def _executed(
    block: Block, text: str, file: str, code: Code, attribute: str | None
) -> Document | None:
    """The document of what a script builds when it is executed, or None if that is nothing."""
    from penstock.dialects.dlt.standin.execute import Script  # noqa: PLC0415 (scripts only)

    document = Document(file=file, kind="python", text=text)
    document.body = block.body
    script = Script(
        text=block.text, file=file, first=block.line, indent=block.indent, attribute=attribute
    )
    return document if _run(document, script, code) else None


def _fenced(text: str, file: str, code: Code | None = None) -> Document:
    """The document of the first fenced block that builds a source."""
    for block in _blocks(text):
        found = _block(block, text, file, code if code and code.inside_text else None)
        if found is not None:
            return found
    if text.lstrip().startswith("{"):
        return _read("json", _whole(text), file)
    return _described(text, file) or _without_source(text, file)


def _described(text: str, file: str) -> Document | None:
    """The bundled connector that a page without any configuration is about, by its title."""
    title = _TITLE.search(text)
    name = re.sub(r"\W+", "_", title[1].strip().lower()) if title else ""
    if name not in connectors.names():
        return None
    document = read_file(connectors.path(name))
    document.name = name
    line = text[: title.start(1)].count("\n") + 1 if title else 1
    document.diagnostics.append(
        Diagnostic(
            code="connector-page",
            severity="warning",
            message=f"this page has no configuration; the bundled connector {name!r} is run",
            place=Place(file=file, line=line, column=3, text=text.split("\n")[line - 1]),
            hint=f"name the connector: {name}",
        )
    )
    return document


def _without_source(text: str, file: str) -> Document:
    document = Document(file=file, kind="yaml", text=text)
    document.say(
        "error",
        "no-source",
        "no fenced block of this document builds a source",
        document.place(1, 1),
        "a block is taken if it calls rest_api_source or holds a whole configuration or manifest",
    )
    return document


def _block(block: Block, text: str, file: str, code: Code | None) -> Document | None:
    """The document of one block, or None if it builds no source."""
    if block.language in {"yaml", "yml", "json"}:
        if not re.search(r"\b(resources|DeclarativeSource|streams)\b", block.text):
            return None
        kind = "json" if block.language == "json" else "yaml"
        return _read(kind, block, file, text)
    if not _PYTHON.fullmatch(block.language):
        return None
    if not re.search(r"\b(rest_api_source|rest_api_resources|RESTAPIConfig)\b", block.text):
        return None
    return _python(block, text, file, code)


def _blocks(text: str) -> list[Block]:
    """Each fenced block."""
    found: list[Block] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        at += 1
        if not fence:
            continue
        first, indent, mark = at, len(fence[1]), fence[2]
        while at < len(lines) and not _closes(lines[at], mark):
            at += 1
        block = "\n".join(_dedent(line, indent) for line in lines[first:at])
        language = fence[3].lower()
        found.append(Block(language=language, text=block, line=first + 1, indent=indent))
        at += 1
    return found


def _closes(line: str, mark: str) -> bool:
    text = line.strip()
    return len(text) >= len(mark) and set(text) == {mark[0]}


def _dedent(line: str, indent: int) -> str:
    return line[indent:] if not line[:indent].strip() else line


def _from_module(spec: str, code: Code) -> Document:
    """The configuration an attribute of a module holds, or gives when it is called.

    The module is imported as the user's own: the working directory comes first on its path.
    """
    from penstock.dialects.dlt.standin.execute import Script  # noqa: PLC0415 (few sources)

    module, _, attribute = spec.partition(":")
    document = Document(file=spec, kind="object", name=attribute)
    script = Script(text="", file=spec, attribute=attribute, module=module)
    if not _run(document, script, code) or not document.root.readable:
        raise PlanError(document.diagnostics)
    return document


def _run(document: Document, script: Script, code: Code) -> bool:
    from penstock.dialects.dlt.standin.execute import (  # noqa: PLC0415 (few sources)
        Around,
        execute,
        nothing_known,
        nothing_near,
    )

    document.lookup = code.lookup
    around = Around(
        lookup=code.lookup or nothing_known,
        nearest=code.nearest or nothing_near,
        loader=code.loader,
        outside=code.outside,
        arguments=code.arguments,
        whole=code.whole,
    )
    return execute(document, script, around)
