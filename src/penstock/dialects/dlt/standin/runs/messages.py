"""`dlt.common.runtime.slack`: what a script tells others of its runs."""

from __future__ import annotations

import json
from typing import Any

from penstock.dialects.dlt.standin.rest_client.requesting import Client
from penstock.dialects.dlt.standin.runs.answers import settle


def send_slack_message(incoming_hook: str, message: str, is_markdown: Any = 1) -> None:
    """Tell a Slack channel something; what the script has asked for until then is loaded before."""
    settle("send_slack_message")
    told = json.dumps({"text": message, "mrkdwn": bool(is_markdown)}).encode()
    kind = {"Content-Type": "application/json;charset=utf-8"}
    Client().post(incoming_hook, data=told, headers=kind)
