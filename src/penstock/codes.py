"""Every code of a diagnostic or error, and what it means in one sentence.

A code is stable: scripts and documents may rely on it.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    # Finding and reading a document.
    "no-source": "There is no such source, or nothing in the document builds one.",
    "no-dialect": "The document is written in none of the dialects.",
    "not-text": "The file is not UTF-8 text.",
    "too-large": "The document is too large, too deep, or grows without end through its aliases.",
    "yaml-syntax": "The text is not YAML.",
    "yaml-tag": "A YAML tag stands for something that is no plain value.",
    "json-syntax": "The text is not JSON.",
    "python-syntax": "The text is not Python.",
    "python-value": "A value can only be known by running the script.",
    "several-sources": "The script builds several sources, and the first one is taken.",
    "duplicate-key": "A mapping has a key twice, and the last one counts.",
    # What is wrong in a document.
    "unknown-key": "A mapping has a key that means nothing there.",
    "missing-key": "A mapping lacks a key that it needs.",
    "wrong-type": "A value is of another type than its key takes.",
    "unknown-value": "A value is none of the words that its key takes.",
    "conflict": "Two things that exclude each other are both said.",
    "duplicate-name": "Two streams have the same name.",
    "no-streams": "The source has no streams.",
    "shared-table": "Two streams both replace the same table.",
    "unknown-parent": "A stream refers to a parent that does not exist or cannot be inferred.",
    "ambiguous-parent": "A parent must be inferred, and several streams could be it.",
    "several-parents": "A resource refers to more than one parent.",
    "parent-cycle": "Streams are each other's parents.",
    "unbound-placeholder": "A placeholder stands for nothing.",
    "unused-resolve": "A param is bound to a parent, and the path does not use it.",
    "bad-template": "A template cannot be read.",
    "bad-jsonpath": "A path is not a JSONPath.",
    "no-end": "Nothing ends the pagination.",
    "unsupported": "The document asks for something that Penstock does not do.",
    # What was read as it is meant, or changes nothing.
    "gap": "The document says something that is not honoured; no rows are lost by it.",
    "merge-without-key": "A merge without a key appends.",
    "renamed-key": "A key of another name was taken for the one that is meant.",
    "renamed-value": "A word was taken for the one that is meant.",
    "misplaced-key": "A key stands on the resource and belongs into its endpoint.",
    "airbyte-template": "A dlt configuration has an Airbyte template in it.",
    "link-as-cursor": "A cursor path leads to a link, which is followed.",
    "page-size": "A page size was given where dlt knows none; it is sent as `limit`.",
    "assumed-first-page": "The first page is taken to be 1, as the document does not say.",
    "inferred-parent": "A parent was inferred from the name of the value that is needed.",
    # What an answer shows.
    "undetected-pages": "An answer says that there are more pages, and not how to ask for them.",
    # Values and the call itself.
    "value-missing": "The document needs a value that no place holds.",
    "value-unknown": "A value was given that the document does not ask for.",
    "value-whitespace": "A secret begins or ends with whitespace, which is easily pasted along.",
    "values-unreadable": "A file that may hold values cannot be read.",
    "stream-unknown": "No stream has the name that was asked for.",
    "usage": "The command was called in a way that means nothing.",
    "port-taken": "The port that an emulator was to listen on cannot be had.",
    "os": "The operating system refused something: a file, a disk, a connection.",
    "interrupted": "The user stopped the command; what was committed stays.",
    "bug": "Something happened that Penstock does not expect; please report it.",
}
