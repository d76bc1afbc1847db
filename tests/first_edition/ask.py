"""Runs commands and opens pages inside an installation, one question after the other.

`python -m tests.first_edition.ask` reads questions from standard input, a JSON object on each line:
`{"commands": [[name, ...]], "pages": [[session, path]], "records": [[label, id]]}`, and answers
each
with one line. It imports nothing of the product, so that no move of a module disturbs it.
"""

import io
import json
import os
import sys
from typing import Any

import django
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client


def main() -> None:
    """Answer until nobody asks any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing else may stand between answers
    django.setup()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = {
            "commands": [run(command) for command in asked.get("commands", [])],
            "pages": [open_page(session, page) for session, page in asked.get("pages", [])],
            "records": [is_there(label, key) for label, key in asked.get("records", [])],
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def run(command: list[str]) -> dict[str, Any]:
    """Run one command of the product; returns its exit code, its JSON, and what went wrong."""
    out, code, error = io.StringIO(), 0, ""
    try:
        call_command(*command, "--json", stdout=out, stderr=io.StringIO())
    except SystemExit as ended:
        code = int(ended.code or 0)
    except CommandError as failure:
        code, error = failure.returncode, str(failure)
    except Exception as failure:  # a crash is an answer too, for the test to show
        code, error = 1, f"{type(failure).__name__}: {failure}"
    text = out.getvalue()
    return {"code": code, "said": json.loads(text) if text else {}, "error": error}


def open_page(session: str, page: str) -> dict[str, Any]:
    """Open a page of the admin as somebody whose login is already in the database."""
    browser = Client(SERVER_NAME="localhost", raise_request_exception=False)
    browser.cookies["sessionid"] = session
    answer = browser.get(page)
    return {"status": answer.status_code, "text": answer.content.decode(errors="replace")[:200_000]}


def is_there(label: str, key: Any) -> bool:
    """Tell whether the record exists that a job says it has made."""
    return bool(apps.get_model(label)._default_manager.filter(pk=key).exists())


if __name__ == "__main__":
    main()
