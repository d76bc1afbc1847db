"""Messages are green only where something was done."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from tests.factories import make_admin

ROOT = Path(__file__).resolve().parents[2]
APPS = ("project", "matching", "feedback", "training", "overview")
# Names of values that are no counts of what was done.
NO_COUNTS = {
    "record.name",
    "row",
    "promotion.version",
    "job",
    "when",
    "source.name",
    "user",
    "renamed",
}


def successes() -> Iterator[tuple[str, ast.Call]]:
    """Calls of `messages.success`, and of `message_user` with SUCCESS."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and (
                    ast.unparse(node.func) == "messages.success"
                    or any(ast.unparse(one) == "messages.SUCCESS" for one in node.args)
                ):
                    yield str(path.relative_to(ROOT)), node


def test_a_message_with_a_count_is_told_by_what_looks_at_the_count() -> None:
    found = 0
    for path, call in successes():
        found += 1
        for part in ast.walk(call):
            if isinstance(part, ast.FormattedValue):
                assert ast.unparse(part.value) in NO_COUNTS, (
                    f"{path}: use tell_done, which is not green of none: {ast.unparse(call)}"
                )
    assert found


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_ringing_for_no_job_is_no_success(client: Client) -> None:
    client.force_login(make_admin())
    answer = client.post(reverse("admin:jobs_queue_ring"))
    (message,) = get_messages(answer.wsgi_request)
    assert (message.level_tag, str(message)) == (
        "warning",
        "Rang again; jobs that wait for a worker: 0.",
    )
