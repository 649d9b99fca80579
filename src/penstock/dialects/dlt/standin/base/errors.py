"""How a script is told that it went beyond what the stand-in does; each becomes one diagnostic."""

from __future__ import annotations

from penstock.dialects.dlt.standin.base.exceptions import DltException
from penstock.dialects.dlt.standin.base.marks import Spot, caller


class Refusal(Exception):  # noqa: N818 (it stops a script, and is told as a diagnostic)
    """The script asked for something that cannot be given, at `spot`.

    A script may catch it like any exception, so whoever makes one reports it as well.
    """

    code = "unsupported"
    is_sentence = True  # where a function raises it that a run calls

    def __init__(self, message: str, hint: str | None = None, *, spot: Spot | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.spot = spot or caller()


class UnknownModule(Refusal, ImportError):  # noqa: N818 (as above)
    """A module of dlt that has no stand-in; scripts may expect that an import fails."""


class UnknownName(Refusal, AttributeError):  # noqa: N818 (as above)
    """A name of a class of dlt's that has no stand-in; whoever lists names passes it over."""


class NeedsValue(Refusal):
    """The script computes with a value that the user has not given."""

    code = "value-missing"


class WrongValue(Refusal):
    """A value that the user has given is not of the type that the script declares."""

    code = "value-invalid"


class Unfinished(Refusal):
    """The script asks for what it has loaded, and nothing is loaded before it has ended."""

    code = "script-unfinished"


class PipelineStepFailed(DltException):
    """A run of the script's was not loaded in full; whoever loads has told of it.

    A run of Penstock has no steps: what fails is mostly reading.
    """

    step = "extract"
    load_id = step_info = None

    def __init__(self, message: str, pipeline: str) -> None:
        from penstock.dialects.dlt.standin.base.record import pipelines  # noqa: PLC0415 (a cycle)

        super().__init__(message)
        made = (one for one in reversed(pipelines) if one.pipeline_name == pipeline)
        self.pipeline = next(made, None)

    @property
    def exception(self) -> BaseException:
        """What was raised, as far as it is known here."""
        return self.__cause__ or self
