"""The APIs of the bundled connectors as local servers, with faults on request."""

from penstock.emulator.faults import EVERYDAY, FAULTS, Rule, parse_rule
from penstock.emulator.hits import FaultKind
from penstock.emulator.server import EMULATORS, EmulatorServer, Seen, build_app, serve_forever
from penstock.emulator.settings import Settings

__all__ = [
    "EMULATORS",
    "EVERYDAY",
    "FAULTS",
    "EmulatorServer",
    "FaultKind",
    "Rule",
    "Seen",
    "Settings",
    "build_app",
    "parse_rule",
    "serve_forever",
]
