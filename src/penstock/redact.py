"""Masking secrets: by value, in every spelling they travel in, and by the name they stand under.

The command line passes everything it prints through one `Redactor`. Values are the stronger rule: a
secret is masked wherever it stands. Names catch what no one declared, such as a token that an API
handed out during the run.

A secret of three digits or fewer is the exception: Penstock's own words are full of such numbers,
of lines, rows and seconds. It is masked where a text from outside is cited, which is always in
quotes, in a URL or behind a name, and in all of a text that is known to be from outside.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from penstock.patterns import pattern
from penstock.plan.expr import JsonValue

MASK = "***"

_SHORT = 4  # characters: a shorter secret is masked only where it stands alone
_LONG = 8  # characters: a shorter one is left alone in the keys of JSON objects, which are ours
_SURE_NUMBER = 6  # digits: a shorter number that equals a count by chance must not break `--json`
_LEAST_CUT = 4  # characters of a secret that are masked where the rest of it is cut away
_LEAST_BASE64 = 6  # characters that must be certain before a piece of base64 is taken for a secret

# A name is sensitive if it ends in one of these words, whatever stands before them.
_WORDS = (
    r"(?:(?:proxy[-_]?)?authorization|(?:set[-_]?)?cookie|token|secret|password|passwd|pwd"
    r"|passphrase|api[-_]?key|access[-_]?key|secret[-_]?key|private[-_]?key|credentials?)"
)
_NAME = rf"(?:[\w-]*[-_])?{_WORDS}|[a-z]+(?:Token|Secret|Password|ApiKey)|apikey"
# Positions of pagination are called tokens too; they open nothing and are needed to debug.
_HARMLESS = pattern(r"(?i)(?:^|[-_])(?:next|page|continuation|cursor|sync)[-_]?token$")
_SENSITIVE = pattern(rf"(?i:{_NAME})")
_SCHEME = r"(?:(?:bearer|basic|token|digest|apikey)\s+)?"

# Neither a header, nor a field, nor a URL: no name ends in a digit, and no instant has a name.
_NAMES_NOTHING = pattern(r"(?:[^\s:=]|(?<=\d):(?!/))*")
_IN_HEADER = pattern(
    r"(?i)(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie|api-key|[\w-]+-(?:key|token|secret))"
    rf"(\s*:\s*){_SCHEME}(?![\s{{(\[\"'*])[^\s\"',;)}}\]]+"
)
_IN_QUERY = pattern(rf"(?i)([?&;](?:{_NAME}|key|sig|signature|auth)=)(?!\*)[^&\s#\"'<>)\]]+")
_IN_OBJECT = pattern(
    rf"(?i)([\"'](?P<name>{_NAME})[\"']\s*[:=]\s*)(?P<q>[\"'])(?!\{{|\*+(?P=q))(?:\\.|(?!(?P=q)).)+(?P=q)"
)
_IN_SCHEME = pattern(r"(?i)\b(bearer|basic)\s+(?=[\w.~+/-]*[\d_.~+/=-])[\w.~+/-]{8,}=*")
_IN_USERINFO = pattern(r"(?i)(\b[a-z][a-z0-9+.-]*://[^\s/@:\"']*:)[^\s/@\"']+@")
# Where words of Penstock's own cite somebody else's: quoted, in a URL, or as the value of a name.
_CITED = pattern(
    r"\"(?:[^\"\\\n]|\\.)*\"|(?<!\w)'(?:[^'\\\n]|\\.)*'(?!\w)"
    r"|\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"']+|(?<=\w=)[^\s,;)\"']+|(?<![\w./])/[^\s\"']+"
)
_IN_LINE = pattern(
    rf"(?i)(?<![\w-])([\"']?(?P<name>{_NAME})[\"']?\s*(?::|=(?!=))\s*)"
    r"(?P<value>\"(?!\{)[^\"\n]+\"|'(?!\{)[^'\n]+'|(?![\s\[{(\"'$!&*|>])[^\s,#}\])]+)"
)
_CODE = pattern(r"[\w.]+[\[(].*|None|null|~|True|False|true|false")


def is_sensitive(name: str) -> bool:
    """Whether a value of this name is masked for its name alone."""
    return bool(_SENSITIVE.fullmatch(name)) and not _HARMLESS.search(name)


class Redactor:
    """Masks secrets in texts and data.

    Args:
        secrets: the values that must never be shown.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._numbers: set[str] = set()
        self._values: re.Pattern[str] | None = None
        self._sure: re.Pattern[str] | None = None
        self._few: re.Pattern[str] | None = None
        self._long: re.Pattern[str] | None = None
        self._plain: list[str] = []
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Mask these values too, from now on."""
        fresh = {s for given in secrets if given.strip() for s in (given, given.strip())}
        fresh -= self._secrets
        if not fresh:
            return
        self._secrets |= fresh
        self._numbers |= {s for s in fresh if s.isdecimal() and len(s) >= _SURE_NUMBER}
        few = {s for s in self._secrets if s.isdecimal() and len(s) < _SHORT}
        self._values = _pattern(self._secrets)
        self._few, self._sure = _pattern(few), _pattern(self._secrets - few)
        self._long = _pattern({s for s in self._secrets if len(s) >= _LONG})
        plain = {spelled for secret in self._secrets for spelled in _plain(secret) | _cores(secret)}
        self._plain = sorted(plain, key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text of Penstock's own with every secret replaced by `***`."""
        few = self._few
        masked = self._sure.sub(MASK, text) if self._sure else text
        if few is not None:
            masked = _CITED.sub(lambda cited: few.sub(MASK, cited[0]), masked)
        return self._by_name(masked)

    def foreign(self, text: str) -> str:
        """A text from outside with every secret replaced, also one that may be any number."""
        return self._by_name(self._values.sub(MASK, text) if self._values else text)

    def _by_name(self, masked: str) -> str:
        if "…" in masked:
            *cut, rest = masked.split("…")
            masked = "".join(f"{self._without_beginning(piece)}…" for piece in cut) + rest
        if _NAMES_NOTHING.fullmatch(masked):
            return masked
        masked = _IN_HEADER.sub(_keep_harmless, masked)
        masked = _IN_QUERY.sub(_keep_harmless_query, masked)
        masked = _IN_OBJECT.sub(_keep_quotes, masked)
        masked = _IN_SCHEME.sub(rf"\1 {MASK}", masked)
        return _IN_USERINFO.sub(rf"\1{MASK}@", masked)

    def _without_beginning(self, text: str) -> str:
        """A text that was cut, without the beginning of a secret at its end."""
        for spelled in self._plain:
            for size in range(min(len(spelled), len(text)), _LEAST_CUT - 1, -1):
                if text.endswith(spelled[:size]):
                    return text[:-size] + MASK
        return text

    def line(self, text: str) -> str:
        """A line of a document, masked without moving what stands behind the secret."""
        masked = _IN_LINE.sub(_stars, text)
        return self._values.sub(lambda m: "*" * len(m[0]), masked) if self._values else masked

    def data(self, value: JsonValue) -> JsonValue:
        """The value with every secret in it masked; its shape stays."""
        if isinstance(value, str):
            return MASK if value.strip() in self._secrets else self.text(value)
        if isinstance(value, Mapping):
            return {self._key(k): self._member(str(k), v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        if isinstance(value, (int, float)) and str(value) in self._numbers:
            return MASK
        return value

    def _member(self, name: str, value: JsonValue) -> JsonValue:
        scalar = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        if scalar and value != "" and is_sensitive(name):
            return MASK
        return self.data(value)

    def _key(self, key: object) -> str:
        return self._long.sub(MASK, str(key)) if self._long else str(key)


def _keep_harmless(match: re.Match[str]) -> str:
    return match[0] if _HARMLESS.search(match[1]) else f"{match[1]}{match[2]}{MASK}"


def _keep_harmless_query(match: re.Match[str]) -> str:
    name = match[1].strip("?&;=")
    return match[0] if _HARMLESS.search(name) else f"{match[1]}{MASK}"


def _keep_quotes(match: re.Match[str]) -> str:
    if _HARMLESS.search(match["name"]):
        return match[0]
    return f"{match[1]}{match['q']}{MASK}{match['q']}"


def _stars(match: re.Match[str]) -> str:
    value = match["value"]
    if _HARMLESS.search(match["name"]) or _CODE.fullmatch(value):
        return match[0]
    if value[0] in "\"'":
        return f"{match[1]}{value[0]}{'*' * (len(value) - 2)}{value[0]}"
    return match[1] + "*" * len(value)


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern for all spellings of all secrets, the longest first."""
    found = {spelled for secret in secrets for spelled in _spellings(secret)}
    if not found:
        return None
    return re.compile("|".join(sorted(found, key=lambda p: (-len(p), p))))


def _spellings(secret: str) -> set[str]:
    """Patterns for a secret, in every way in which it is written."""
    return {_bounded(s) for s in _plain(secret)} | _base64(secret)


def _plain(secret: str) -> set[str]:
    """A secret as it is, URL-encoded, and escaped in JSON or Python."""
    plain = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    plain |= {_lower_escapes(s) for s in plain}
    plain |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    cited = {repr(json.dumps(secret))[2:-2], repr(json.dumps(secret, ensure_ascii=False))[2:-2]}
    return plain | cited | {json.dumps(json.dumps(secret))[3:-3], repr(secret)[1:-1]}


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), text)


def _bounded(text: str) -> str:
    """A pattern for `text`: a short one only as a whole word, a number not within a longer one."""
    escaped = re.escape(text)
    if len(text) < _SHORT:
        return rf"(?<!\w){escaped}(?!\w)"
    if text.isdecimal():
        return rf"(?<!\d){escaped}(?!\d)"
    return escaped


def _base64(secret: str) -> set[str]:
    """Patterns for the secret inside a base64 text.

    The characters at its ends hold bits of their neighbours too: they are masked along with it.
    """
    ends = "[A-Za-z0-9+/_-]?"
    return {rf"{ends}{re.escape(core)}{ends}={{0,2}}" for core in _cores(secret)}


def _cores(secret: str) -> set[str]:
    """What base64 makes of a secret, at each of the three ways it may be aligned."""
    raw = secret.encode("utf-8", "surrogatepass")
    if len(raw) < _SHORT:
        return set()
    found: set[str] = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        core = encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        if len(core) >= _LEAST_BASE64:
            found |= {core, core.replace("+", "-").replace("/", "_")}
    return found
