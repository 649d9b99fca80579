"""What the commands of one call share."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from penstock.cli.console import Console
from penstock.cli.engine import Compiled, Engine, Loads
from penstock.plan.expr import JsonValue

DONE, FAILED, WRONG, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130


_SCRIPTS = {".py", ".md", ".txt"}


class App:
    """The console, the engine, and how failures are to be shown.

    Args:
        engine: what does the work; `penstock.engine`, imported when first needed, if not given.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.console = Console()
        self.debug = False
        self.allow_code = False  # code inside a text may be executed
        self.components: Path | None = None  # the classes of a manifest, where not beside it
        self.arguments: tuple[str, ...] = ()  # of the script that is the source
        self.values_file: Path | None = None  # where the user's values stand, if in a file
        self.json = False  # stdout is to hold one JSON object, also where the command fails
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The engine."""
        if self._engine is None:
            self._engine = cast("Engine", importlib.import_module("penstock.engine"))
        return self._engine

    def compile(
        self,
        spec: str,
        values: Mapping[str, JsonValue] | None = None,
        load: Loads | None = None,
        *,
        whole: bool = False,
    ) -> Compiled:
        """Find and compile a document, with its code executed as far as the user allows it.

        With `load` a script may wait for what it asks to be loaded; with `whole` all that it loads
        is looked at.
        """
        more: dict[str, Any] = {"arguments": self.arguments_of(spec)} if self.arguments else {}
        if whole and Path(spec).suffix in _SCRIPTS:
            more["whole"] = True
        if load is not None and Path(spec).suffix == ".py":
            return self.engine.compile_source(spec, values, load=load, **more)
        if self.components is not None:
            return self.engine.compile_source(
                spec, values, allow_code=self.allow_code, components=self.components, **more
            )
        if self.allow_code:
            return self.engine.compile_source(spec, values, allow_code=True, **more)
        return self.engine.compile_source(spec, values, **more)

    def arguments_of(self, spec: str) -> tuple[str, ...]:
        """The arguments of a source.

        Raises:
            click.UsageError: it takes none.
        """
        if self.arguments and Path(spec).suffix not in _SCRIPTS:
            raise click.UsageError(f"only a script takes arguments behind --, and {spec} is none")
        return self.arguments
