"""The web server: waitress, whose own refusals are pages like all others.

`python -m project.web` takes what `waitress-serve` takes, and sets the limit of a body itself.
"""

import sys
from typing import Final

from django.conf import settings
from waitress import runner, task
from waitress.channel import HTTPChannel

from project import wsgi
from project.middleware import CONTENT_SECURITY_POLICY
from project.pages.errors import bare_page, too_much

# What the server finds wrong with a request, of which no page ever hears.
SAID: Final = {
    400: "What came is no request that this server can read. Load the page again.",
    413: too_much(),
    431: "The headers of the request are too long, mostly because of cookies. Remove the cookies "
    "of this address, and sign in again.",
    500: "It has been written to the log of the server. What you sent was not kept.",
    501: "The request was sent in a way that this server does not know.",
}


class SpokenRefusal(task.ErrorTask):  # type: ignore[misc]
    """What waitress answers where it refuses a request: a page with words and a way back."""

    def execute(self) -> None:
        error = self.request.error
        body = bare_page(error.code, SAID[error.code]).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


def main(given: list[str]) -> int:
    """Serve until the process is ended."""
    HTTPChannel.error_task_class = SpokenRefusal
    # What is larger is answered with 413 while its headers are all that was read; without a limit
    # all of it would be laid down before any page is asked.
    limit = f"--max-request-body-size={settings.MAX_PAGE_UPLOAD_BYTES + 1024**2}"
    return int(runner.run([wsgi.__name__, limit, *given]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
