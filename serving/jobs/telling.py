"""Posting an alarm to whoever listens outside."""

import http.client
from typing import Final
from urllib.parse import urlsplit

import orjson
from django.conf import settings

from project.jobs.contract import Result, Run
from project.outside import one_line
from project.refusal import Refusal
from serving.jobs.arguments import TellAlarm
from serving.models import Alarm

SECONDS: Final = 5.0  # that the listener may take
SET_IT: Final = "Set SEEDBED_ALARM_WEBHOOK to an address with http or https, or to nothing."


def tell_alarm(run: Run, asked: TellAlarm) -> Result:
    """Post one alarm, once: what it is, since when, its words and numbers; nobody is named there.

    Raises
    ------
    Refusal
        Where no address is set, it is none, or nobody there takes it.
    """
    alarm = Alarm.objects.filter(pk=asked.alarm).first()
    if alarm is None:
        raise Refusal(
            f"There is no alarm {asked.alarm}.", remedy="It was removed; nothing is to do."
        )
    told = {"title": str(alarm), "state": asked.state}
    body = {
        **told,
        "id": alarm.pk,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "opened_at": alarm.opened_at,
        "closed_at": alarm.closed_at,
        "text": alarm.text,
        "what_to_do": alarm.remedy,
        "numbers": alarm.numbers,
    }
    run.check()
    post_json(settings.ALARM_WEBHOOK, orjson.dumps(body))
    return told


def post_json(address: str, body: bytes) -> None:
    """Post to an http or https address; follows no redirect, and reads no answer but its status."""
    try:
        at = urlsplit(address)
        port, host = at.port, at.hostname
    except ValueError:
        at, port, host = urlsplit(""), None, None
    if at.scheme not in ("http", "https") or not host or at.username or at.fragment:
        raise Refusal("The address for alarms is none that can be posted to.", remedy=SET_IT)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    path = f"{at.path or '/'}{f'?{at.query}' if at.query else ''}"
    try:
        line = kind(host, port, timeout=SECONDS)
        try:
            line.request("POST", path, body, {"Content-Type": "application/json"})
            status = line.getresponse().status
        finally:
            line.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The address may hold a secret in its path: it is never said.
        raise Refusal(
            f"{one_line(host)} does not take the alarm: {type(error).__name__}.",
            remedy="See that it listens, and retry this job.",
        ) from error
    if not http.HTTPStatus(200) <= status < http.HTTPStatus(300):
        raise Refusal(
            f"{one_line(host)} answers {status} to the alarm.",
            remedy="See what it expects, and retry this job.",
        )
