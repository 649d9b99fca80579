"""Edits of nodes → changes of a text. What cannot be written where it stands is left alone."""

from __future__ import annotations

import json

import msgspec

from penstock.dialects.dlt.objects import SHORTHANDS
from penstock.dialects.document import Joined, SecretRef
from penstock.dialects.repairing.edits import Beside, Edit, Into, Param, Rename, Rewrite
from penstock.dialects.repairing.layout import Entry, Holder, Language, Layout
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue

_STEP = 2  # columns by which a mapping of YAML stands further in
_PLAIN = pattern(r"[A-Za-z_$/][\w$./@-]*(?: [\w$./@-]+)*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The text between two offsets becomes another."""

    start: int
    end: int
    text: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What one edit changes, and the stretch that no other edit may touch meanwhile."""

    changes: tuple[Change, ...]
    start: int
    end: int

    def meets(self, other: Changes) -> bool:
        """Whether two edits want the same place."""
        return self.start <= other.end and other.start <= self.end


def changes(layout: Layout, edit: Edit) -> Changes | None:
    """What an edit changes, or None where it cannot be written."""
    match edit:
        case Rename():
            return _rename(layout, edit)
        case Rewrite():
            return _rewrite(layout, edit)
        case Beside():
            found = layout.find(edit.node)
            value = render(layout.language, edit.value)
            return _beside(layout, *found, edit.name, value) if found else None
        case Into():
            return _into(layout, edit)
        case Param():
            return _param(layout, edit)


def _one(start: int, end: int, text: str) -> Changes:
    return Changes(changes=(Change(start=start, end=end, text=text),), start=start, end=end)


def _all(changed: tuple[Change, ...], holder: Holder) -> Changes:
    start = min(holder.start, *(c.start for c in changed))
    end = max(holder.end, *(c.end for c in changed))
    return Changes(changes=changed, start=start, end=end)


# Keys and values.


def _rename(layout: Layout, edit: Rename) -> Changes | None:
    found = layout.find(edit.node)
    if found is None:
        return None
    holder, entry = found
    if entry.key < 0:
        return None
    if holder.style == "call" and not edit.name.isidentifier():
        return None
    mark = layout.text[entry.key]
    text = f"{mark}{edit.name}{mark}" if mark in "\"'" else edit.name
    return _one(entry.key, entry.key_end, text)


def _rewrite(layout: Layout, edit: Rewrite) -> Changes | None:
    call = _called(layout, edit)
    if call is not None:
        return _one(call.start, call.end, _displayed(layout, call))
    place = layout.value(edit.node)
    if place is None or layout.text[place[0]] in "&*!":
        return None
    return _one(*place, render(layout.language, edit.value))


def _called(layout: Layout, edit: Rewrite) -> Holder | None:
    """The call of a class of dlt's whose kind is rewritten: it becomes the dict that says so."""
    place = layout.holders.get(layout.offset(edit.node.line, edit.node.column))
    if place is not None and place.callee in SHORTHANDS:
        return place
    if layout.language != "python" or edit.node.path[-1:] != ("type",) or layout.find(edit.node):
        return None
    calls = [c for c in layout.calls(edit.node) if c.callee in SHORTHANDS]
    return calls[0] if len(calls) == 1 else None


def _displayed(layout: Layout, call: Holder) -> str:
    kind = SHORTHANDS[call.callee].type
    entries = [f'"type": "{kind}"']
    entries += [f'"{e.name}": {layout.text[e.start : e.end]}' for e in call.entries]
    return "{" + ", ".join(entries) + "}"


# Entries.


def _beside(layout: Layout, holder: Holder, entry: Entry, name: str, value: str) -> Changes | None:
    pair = _pair(layout.language, holder.style, name, value)
    at = entry.first
    indent = " " * layout.column(at)
    alone = layout.line(at) == layout.line(max(at, entry.end - 1))
    if holder.style == "block":
        if alone:
            end = layout.line_end(entry.end)
            return _one(end, end, f"\n{indent}{pair}")
        return _one(at, at, f"{pair}\n{indent}")
    if entry.key < 0:
        return _one(entry.end, entry.end, f", {pair}") if holder.entries[-1] is entry else None
    if not layout.text[layout.line_start(at) : at].strip():
        rest = layout.text[entry.end : layout.line_end(entry.end)]
        if alone and rest.strip(" ,") == "":
            return _one(entry.end, entry.end, f",\n{indent}{pair}")
        return _one(at, at, f"{pair},\n{indent}")
    return _one(entry.end, entry.end, f", {pair}")


def _param(layout: Layout, edit: Param) -> Changes | None:
    found = layout.find(edit.node)
    if found is None:
        return None
    holder, entry = found
    language = layout.language
    given = render(language, edit.value)
    pair = _pair(language, "flow", edit.name, given)
    if entry.name == "endpoint" and entry.start in layout.texts:
        whole = _pair(language, "flow", "params", "{" + pair + "}")
        return _as_mapping(layout, holder, entry, whole)
    if entry.name != "path":
        return None
    params = holder.entry("params")
    if params is None:
        return _beside(layout, holder, entry, "params", "{" + pair + "}")
    inner = layout.holders.get(params.start)
    if inner is None:
        return None
    return _all((_last_in(layout, inner, _pair(language, inner.style, edit.name, given)),), inner)


def _last_in(layout: Layout, inner: Holder, pair: str) -> Change:
    """An entry behind all others of a mapping, or before them where a comment ends the last."""
    if not inner.entries:
        at = inner.end - 1
        return Change(start=at, end=at, text=pair)
    first, last = inner.entries[0].first, inner.entries[-1]
    indent = " " * layout.column(first)
    if inner.style == "block":
        at = layout.line_end(last.end)
        return Change(start=at, end=at, text=f"\n{indent}{pair}")
    if layout.text[layout.line_start(first) : first].strip():
        return Change(start=last.end, end=last.end, text=f", {pair}")
    if layout.text[last.end : layout.line_end(last.end)].lstrip(" ,").startswith("#"):
        return Change(start=first, end=first, text=f"{pair},\n{indent}")
    return Change(start=last.end, end=last.end, text=f",\n{indent}{pair}")


# Moving an entry.


def _into(layout: Layout, edit: Into) -> Changes | None:
    found = layout.find(edit.node)
    if found is None or found[1].key < 0:
        return None
    holder, entry = found
    target = holder.entry(edit.holder)
    if target is None:
        return _wrapped(layout, holder, entry, edit)
    inner = layout.holders.get(target.start)
    removed = _removed(layout, holder, entry)
    if inner is not None:
        if layout.line(entry.first) != layout.line(entry.end) and inner.style != holder.style:
            return None
        moved = _moved(layout, holder, entry, edit, inner.style)
        if inner.style == "block":
            moved = _indented(
                moved, layout.column(inner.entries[0].first) - layout.column(entry.key)
            )
        return _all((removed, _last_in(layout, inner, moved)), holder)
    if target.start not in layout.texts:
        return None
    moved = _moved(layout, holder, entry, edit, "block" if holder.style == "block" else "flow")
    whole = _as_mapping(layout, holder, target, _indented(moved, _STEP))
    return _all((removed, *whole.changes), holder)


def _moved(layout: Layout, holder: Holder, entry: Entry, edit: Into, style: str) -> str:
    """The entry as it stands elsewhere, with what is said behind it in its line."""
    value = layout.text[entry.start : entry.end]
    if edit.value is not None:
        value = render(layout.language, edit.value)
    elif holder.style == style == "block":
        rest = layout.text[entry.end : layout.line_end(entry.end)]
        comment = rest if rest.lstrip().startswith("#") else ""
        return f"{edit.name or entry.name}{layout.text[entry.key_end : entry.end]}{comment}"
    return _pair(layout.language, style, edit.name or entry.name, value)


def _wrapped(layout: Layout, holder: Holder, entry: Entry, edit: Into) -> Changes | None:
    """The entry as the only one of a new mapping, where it stands."""
    if holder.style != "block":
        inner = "{" + _moved(layout, holder, entry, edit, "flow") + "}"
        text, end = _pair(layout.language, holder.style, edit.holder, inner), entry.end
    else:
        indent = " " * (layout.column(entry.key) + _STEP)
        moved = _indented(_moved(layout, holder, entry, edit, "block"), _STEP)
        text, end = f"{edit.holder}:\n{indent}{moved}", layout.line_end(entry.end)
    return _all((Change(start=entry.key, end=end, text=text),), holder)


def _as_mapping(layout: Layout, holder: Holder, target: Entry, pair: str) -> Changes:
    """A path becomes a mapping that holds it, and another entry."""
    path = _pair(layout.language, "flow", "path", layout.text[target.start : target.end])
    if holder.style != "block":
        text, start = "{" + f"{path}, {pair}" + "}", target.start
    else:
        indent = " " * (layout.column(target.key) + _STEP)
        text, start = f"\n{indent}{path}\n{indent}{pair}", target.start
        while layout.text[start - 1] == " ":
            start -= 1
    return _all((Change(start=start, end=target.end, text=text),), holder)


def _indented(value: str, shift: int) -> str:
    """A value of several lines, its further lines moved by some columns."""
    first, *rest = value.split("\n")
    if shift >= 0:
        moved = [" " * shift + line if line.strip() else line for line in rest]
    else:
        moved = [line[-shift:] if not line[:-shift].strip() else line for line in rest]
    return "\n".join([first, *moved])


def _removed(layout: Layout, holder: Holder, entry: Entry) -> Change:
    text, start, end = layout.text, entry.key, entry.end
    following = holder.after(entry)
    line_start, line_end = layout.line_start(start), layout.line_end(end)
    alone = not text[line_start:start].strip()
    if holder.style == "block":
        if alone:
            return Change(start=line_start, end=min(line_end + 1, len(text)), text="")
        if following is not None and not text[line_end : following.first].strip():
            return Change(start=start, end=following.first, text="")
        return Change(start=start, end=line_end, text="")
    if following is None:
        if text[end:line_end].lstrip().startswith(","):
            end = text.index(",", end) + 1
        elif len(holder.entries) > 1:
            before = holder.entries[-2].end
            joint = text[before:start]
            start = before if layout.language == "json" or joint.strip() == "," else start
        rest = text[end : layout.line_end(end)]
        if alone and not rest.strip() and start == entry.key:
            start, end = line_start, min(layout.line_end(end) + 1, len(text))
        return Change(start=start, end=end, text="")
    between = text[end : following.first]
    if alone and "\n" in between and not between.split("\n")[0].strip(" ,"):
        return Change(start=line_start, end=line_end + 1, text="")
    if "\n" in between and between.strip(" ,\n"):
        return Change(start=start, end=end + between.index(",") + 1, text="")
    return Change(start=start, end=following.first, text="")


# Texts.


def _pair(language: Language, style: str, name: str, value: str) -> str:
    if style == "call":
        return f"{name}={value}"
    return f"{name}: {value}" if language == "yaml" else f'"{name}": {value}'


def render(language: Language, value: JsonValue | SecretRef | Joined) -> str:
    """A value as a document of this language writes it."""
    match value:
        case SecretRef():
            kind = "secrets" if value.secret else "config"
            text = f"dlt.{kind}['{value.name}']"
            return text.replace("'", '"') if language == "python" else json.dumps(text)
        case Joined() if language == "python":
            parts = (_in_fstring(part) for part in value.parts)
            return f'f"{"".join(parts)}"'
        case Joined():
            texts = (p if isinstance(p, str) else _in_fstring(p) for p in value.parts)
            return json.dumps("".join(texts), ensure_ascii=False)
        case dict():
            pairs = (_pair(language, "flow", k, render(language, v)) for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(render(language, item) for item in value) + "]"
        case bool() | None if language == "python":
            return repr(value)
        case str() if language == "yaml" and _PLAIN.fullmatch(value):
            return json.dumps(value) if value.lower() in _WORDS else value
        case _:
            return json.dumps(value, ensure_ascii=False)


def _in_fstring(part: str | SecretRef) -> str:
    if isinstance(part, SecretRef):
        return f"{{dlt.{'secrets' if part.secret else 'config'}['{part.name}']}}"
    return json.dumps(part, ensure_ascii=False)[1:-1].replace("{", "{{").replace("}", "}}")
