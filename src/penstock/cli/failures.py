"""Failures: each has one exit code, and says what is wrong and what to do, never a bare trace."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

import click

from penstock import errors
from penstock.cli.console import Style, clean
from penstock.cli.context import DONE, FAILED, INTERRUPTED, WRONG, App
from penstock.cli.diagnostics import as_json, count, show_all
from penstock.plan.expr import JsonValue


def guarded(app: App, call: Callable[[], object]) -> int:
    """The exit code of a call; whatever it raises is shown."""
    try:
        code = call()
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 (the last resort)
        return _shown(app, exc)
    return code if isinstance(code, int) else DONE


def _shown(app: App, raised: BaseException) -> int:
    """Show what was raised, by what it means to the user; gives the exit code."""
    exc = _first_cause(raised)
    _trace(app, raised)
    match exc:
        case KeyboardInterrupt() | click.Abort():
            return _failed(app, INTERRUPTED, "interrupted", code="interrupted")
        case click.ClickException():
            return _misused(app, exc)
        case errors.PlanError():
            return _not_usable(app, exc)
        case errors.Interrupted():
            return _failed(app, INTERRUPTED, exc.message, hint=exc.hint, code="interrupted")
        case errors.Error():
            return _failed(app, FAILED, _said(exc), hint=exc.hint, code=exc.code)
        case _:
            known = errors.of_machine(exc)
            if known is None:
                return _bug(app, exc)
            return _failed(app, FAILED, known.message, hint=known.hint, code=known.code)


def _first_cause(exc: BaseException) -> BaseException:
    """What concurrent tasks raised together stands for its first member."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _said(exc: errors.Error) -> str:
    """The message, and the request it is about."""
    request = getattr(exc, "request", None)
    return f"{exc.message} [{request}]" if request else exc.message


def _misused(app: App, exc: click.ClickException) -> int:
    context = getattr(exc, "ctx", None)
    if context is not None:
        app.console.say(clean(context.get_usage()))
    return _failed(app, WRONG, exc.format_message(), code="usage")


def _not_usable(app: App, exc: errors.PlanError) -> int:
    show_all(app.console, exc.diagnostics)
    app.console.say(count(exc.diagnostics))
    first = next((d for d in exc.diagnostics if d.severity == "error"), None)
    message = first.message if first else "the document is not usable"
    _failed_json(app, "plan", message, None, exc.diagnostics)
    return WRONG


def _bug(app: App, exc: BaseException) -> int:
    words = f"{type(exc).__name__}: {exc}".replace("\n", " ")
    hint = (
        "please report the trace above"
        if app.debug
        else "add --debug for the stack trace, with secrets masked, and report it"
    )
    message = f"this is a bug in Penstock, not in your document: {words}"
    return _failed(app, FAILED, message, hint=hint, code="bug")


def _failed(app: App, exit_code: int, message: str, *, code: str, hint: str | None = None) -> int:
    styles: tuple[Style, ...] = ("bold", "red")
    head = app.console.style(f"error[{code}]" if exit_code != INTERRUPTED else code, *styles)
    app.console.say(f"{head}: {clean(message)}" if message != code else head)
    if hint:
        app.console.say(f"  hint: {clean(hint)}")
    _failed_json(app, code, message, hint, ())
    return exit_code


def _failed_json(
    app: App,
    code: str,
    message: str,
    hint: str | None,
    diagnostics: Sequence[errors.Diagnostic],
) -> None:
    """Say it on stdout too, where a program waits for one JSON object."""
    if not app.json:
        return
    said: dict[str, JsonValue] = {
        "status": "interrupted" if code == "interrupted" else "failed",
        "streams": [],
        "error": {"code": code, "message": message, "hint": hint},
        "diagnostics": [as_json(d) for d in diagnostics],
    }
    app.console.json(said)


def _trace(app: App, exc: BaseException) -> None:
    if app.debug:
        for line in "".join(traceback.format_exception(exc)).rstrip().split("\n"):
            app.console.say(clean(line))
