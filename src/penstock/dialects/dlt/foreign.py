"""Values of the user as other tools spell them, in texts that dlt takes as they stand."""

from __future__ import annotations

from penstock.dialects.document import Joined, SecretRef
from penstock.patterns import pattern

# `{{ config['x'] }}` is Airbyte's way, `${X}` that of a shell and of many configuration files.
_OF_USER = pattern(
    r"\{\{\s*config(?:\[\s*(?:'([^']+)'|\"([^\"]+)\")\s*\]|\.(\w+))\s*\}\}"
    r"|\$\{([A-Za-z_]\w*)\}"
)


def referring(text: str, *, secret: bool) -> SecretRef | Joined | None:
    """A text with references in place of such values; None where it has none."""
    parts: list[str | SecretRef] = []
    at = 0
    for found in _OF_USER.finditer(text):
        name = next(group for group in found.groups() if group)
        parts += [text[at : found.start()], SecretRef(name=name, secret=secret, read=True)]
        at = found.end()
    if not parts:
        return None
    held = tuple(part for part in (*parts, text[at:]) if part != "")
    return held[0] if len(held) == 1 and isinstance(held[0], SecretRef) else Joined(parts=held)
