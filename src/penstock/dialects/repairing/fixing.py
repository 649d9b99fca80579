"""`check --fix`: the text of a document with every repair written into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Body, Document
from penstock.dialects.repairing.edits import Edit
from penstock.dialects.repairing.layout import Layout
from penstock.dialects.repairing.writing import Changes, changes
from penstock.errors import Diagnostic

ROUNDS = 20
_IN_PLACE = {".yaml", ".yml", ".json"}

Reread = Callable[[str], Document]
Compile = Callable[[Document], Compiled]


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """A file before and after; `in_place` says that it is data, and no program of the user's."""

    file: str
    before: str
    after: str

    @property
    def in_place(self) -> bool:
        """Whether it is to be written; else the difference is shown."""
        return Path(self.file).suffix.lower() in _IN_PLACE


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What repairs made of a document: the files that change, what is left to say, what is not."""

    files: tuple[Repaired, ...]
    compiled: Compiled
    repaired: tuple[Diagnostic, ...]


def fix(document: Document, compile_it: Compile, reread: Reread) -> Fixed:
    """Write every repair of a document into its text, and compile that.

    Repairs that touch the same place are written one after the other. A text that is worse than
    the one before is not kept.
    """
    compiled = compile_it(document)
    first, texts = document, {document.file: document.text}
    done: list[Diagnostic] = []
    for _ in range(ROUNDS):
        written, repaired = _round(document, texts, alone=document is not first)
        if not repaired:
            break
        if document.kind == "object":  # an imported module is not imported anew
            texts, done = {**texts, **written}, repaired
            break
        again = reread(written[document.file])
        after = compile_it(again)
        if _errors(after) > _errors(compiled):
            break
        document, compiled, texts = again, after, {**texts, **written}
        done += [said for said in repaired if said not in after.diagnostics]
    before = _befores(first, texts)
    files = tuple(
        Repaired(file=name, before=before[name], after=text)
        for name, text in texts.items()
        if text != before[name]
    )
    return Fixed(files=files, compiled=compiled, repaired=tuple(done))


def _errors(compiled: Compiled) -> int:
    return sum(d.severity == "error" for d in compiled.diagnostics)


def _befores(document: Document, texts: Mapping[str, str]) -> dict[str, str]:
    """The text of each file as it was."""
    held = {edited.file: edited.text for edited in _documents(document)}
    return {name: held.get(name, document.text) for name in texts}


def _documents(document: Document) -> list[Document]:
    """The documents that repairs are to be written into: a script may take some of others."""
    found = [e.node.document for _, edits in _repairs(document) for e in edits]
    return list({d.file: d for d in [document, *found]}.values())


def _repairs(document: Document) -> list[tuple[Diagnostic, tuple[Edit, ...]]]:
    """The repairs of a document, and of what its script loads elsewhere."""
    return [said for one in (document, *document.others) for said in one.repairs]


def _round(
    document: Document, texts: Mapping[str, str], *, alone: bool
) -> tuple[dict[str, str], list[Diagnostic]]:
    """The texts with all repairs that do not touch the same place, and what these were.

    With `alone` other files than the document's stay as they are.
    """
    accepted: dict[str, list[Changes]] = {}
    layouts: dict[str, Layout] = {}
    repaired: list[Diagnostic] = []
    for said, edits in _repairs(document):
        if alone and any(e.node.document.file != document.file for e in edits):
            continue
        wanted = _wanted(layouts, edits)
        taken = any(one.meets(o) for file, one in wanted for o in accepted.get(file, []))
        if wanted and not taken:
            repaired.append(said)
            for file, one in wanted:
                accepted.setdefault(file, []).append(one)
    written = {file: _written(layouts[file].text, held) for file, held in accepted.items()}
    return {document.file: texts[document.file], **written}, repaired


def _wanted(layouts: dict[str, Layout], edits: tuple[Edit, ...]) -> list[tuple[str, Changes]]:
    """What the edits of one repair change; nothing where not all of them can be written.

    Where the first one rewrites the place of the others, they follow in the next round.
    """
    found = [(edit.node.document.file, _changes(layouts, edit)) for edit in edits]
    wanted = [(file, one) for file, one in found if one is not None]
    if len(wanted) < len(edits):
        return []
    first = wanted[0][1]
    return wanted[:1] if any(first.meets(one) for _, one in wanted[1:]) else wanted


def _changes(layouts: dict[str, Layout], edit: Edit) -> Changes | None:
    document = edit.node.document
    if document.file not in layouts:
        layouts[document.file] = _layout(document)
    return changes(layouts[document.file], edit)


def _layout(document: Document) -> Layout:
    """The layout of the part of a document that was read."""
    body: Body = document.body
    match document.kind:
        case "yaml":
            from penstock.dialects.repairing.layout_yaml import lay_yaml  # noqa: PLC0415 (one kind)

            layout = Layout(document.text, "yaml")
            lay_yaml(layout, body.text, body.line, body.indent)
        case "json":
            from penstock.dialects.repairing.layout_flow import lay_json  # noqa: PLC0415 (one kind)

            layout = Layout(document.text, "json")
            start = layout.offset(body.line, 1)
            lay_json(layout, start, start + len(body.text) + body.indent * body.text.count("\n"))
        case "python":
            from penstock.dialects.repairing.layout_python import (  # noqa: PLC0415 (one kind)
                lay_python,
            )

            layout = Layout(document.text, "python")
            lay_python(layout, body.text, body.line, body.indent)
        case _:
            layout = Layout(document.text, "python")
    return layout


def _written(text: str, accepted: list[Changes]) -> str:
    """A text with all changes made, the last one first."""
    flat = sorted((c for one in accepted for c in one.changes), key=lambda c: -c.start)
    for change in flat:
        text = text[: change.start] + change.text + text[change.end :]
    return text
