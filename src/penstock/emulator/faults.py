"""Faults on request: which kinds there are, how rules name them, and which request each hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from penstock.emulator.chance import mix, salt, share
from penstock.emulator.faults_body import BODY_FAULTS
from penstock.emulator.faults_http import HTTP_FAULTS
from penstock.emulator.hits import FaultKind
from penstock.errors import Diagnostic, PlanError, did_you_mean

FAULTS: Mapping[str, FaultKind] = MappingProxyType({**HTTP_FAULTS, **BODY_FAULTS})
"""Every kind of fault, by name."""

EVERYDAY = ("500", "502", "503", "429", "reset", "reset-midbody", "truncated")
"""The kinds that `Settings.faults` chooses from: those that an API in good health shows too."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When a kind of fault strikes: the nth request, all from the nth on, or by chance.

    Only requests whose path begins with `path` count and are hit.
    """

    kind: str
    chance: float = 0.0
    nth: int | None = None
    onward: bool = False
    path: str = "/"

    def strikes(self, number: int, seed: int) -> bool:
        """Say whether the `number`-th request of this rule, counted from 1, is hit."""
        if self.nth is not None:
            return number == self.nth or (self.onward and number > self.nth)
        return share(seed, number) < self.chance


def parse_rule(text: str) -> Rule:
    """Read a rule: `KIND@0.05`, `KIND@#3` (the third), `KIND@#3+`, each with `@/path` or not.

    Raises:
        PlanError: the kind is unknown or the rate is none of these.
    """
    kind, _, rest = text.strip().partition("@")
    rate, _, path = rest.partition("@")
    if kind not in FAULTS:
        hint = did_you_mean(kind, FAULTS) or "`penstock emulate --help` lists them"
        raise _bad(f"there is no kind of fault called {kind!r}", hint)
    try:
        return _rated(kind, rate, path or "/")
    except ValueError:
        hint = "KIND@0.05 is a probability, KIND@#3 the third request, KIND@#3+ all from it on"
        raise _bad(f"{rate!r} is not a rate for the fault {kind}", hint) from None


def _rated(kind: str, rate: str, path: str) -> Rule:
    if rate.startswith("#"):
        nth = int(rate[1:].removesuffix("+"))
        if nth < 1:
            raise ValueError(rate)
        return Rule(kind=kind, nth=nth, onward=rate.endswith("+"), path=path)
    chance = float(rate)
    if not 0 <= chance <= 1:
        raise ValueError(rate)
    return Rule(kind=kind, chance=chance, path=path)


def _bad(message: str, hint: str) -> PlanError:
    return PlanError([Diagnostic(code="fault-rule", severity="error", message=message, hint=hint)])


class Draw:
    """Decides, request by request, which fault strikes; the same seed decides the same."""

    def __init__(self, rules: Sequence[str], everyday: float, seed: int) -> None:
        self._rules = tuple(parse_rule(rule) for rule in rules)
        self._everyday = everyday
        self._seed = salt(seed, "faults")
        self._counts = [0] * len(self._rules)
        self._number = 0

    def next(self, path: str) -> FaultKind | None:
        """Give the fault that strikes the next request on a path: the first rule wins."""
        self._number += 1
        struck: str | None = None
        for place, rule in enumerate(self._rules):
            if path.startswith(rule.path):
                self._counts[place] += 1
                hit = rule.strikes(self._counts[place], mix(self._seed, place + 1))
                struck = struck or (rule.kind if hit else None)
        if struck is None and share(self._seed, self._number) < self._everyday:
            struck = EVERYDAY[mix(self._seed ^ 1, self._number) % len(EVERYDAY)]
        return FAULTS[struck] if struck else None
