"""Regular expressions that are compiled when they are first used.

Compiling one takes a tenth of a millisecond and more, and a process uses few of those that the
modules it imports hold: all together they took a twentieth of a run that finds nothing new.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast

_TAKEN = ("fullmatch", "match", "search", "findall", "finditer", "split", "sub", "subn", "pattern")


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, later.

    Raises:
        re.error: the text is no regular expression; raised where it is first used.
    """
    return cast("re.Pattern[AnyStr]", _Later(text, flags))


class _Later:
    """Stands for a compiled pattern, whose methods become its own when one is first asked for."""

    def __init__(self, text: Any, flags: int) -> None:
        self._given = text, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(*self._given)
        if name in _TAKEN:
            for taken in _TAKEN:
                setattr(self, taken, getattr(compiled, taken))
        return getattr(compiled, name)
