"""What answers programs without the middleware of pages answers as all of it does."""

import io
import json
import sys
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from project import wsgi
from tests.factories import make_seed_user, make_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
PATH = "/api/v1/match/score"
PAIR = json.dumps({"pairs": [{"left": "ana", "right": "ben"}]}).encode()


def ask(handler: Any, **environ: Any) -> tuple[str, dict[str, str], bytes]:
    body = environ.pop("body", PAIR)
    told: list[Any] = []
    response = handler(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": PATH,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "testserver",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            **environ,
        },
        lambda *said: told.append(said),
    )
    content = b"".join(response)
    response.close()
    ((status, headers),) = told
    return status, dict(headers), content


OF_PAGES = {"Vary", "Content-Length", "Set-Cookie"}  # what sessions add


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (200, {}),
        (400, {"body": b"{"}),
        (422, {"body": b'{"pairs": []}'}),
        (405, {"REQUEST_METHOD": "GET", "body": b""}),
        (405, {"REQUEST_METHOD": "DELETE", "body": b""}),
        (404, {"PATH_INFO": "/api/v1/match/nothing"}),
        (404, {"PATH_INFO": "/api/v1/match/score/"}),
        (400, {"PATH_INFO": "/api/v1/match/\0"}),
        (400, {"QUERY_STRING": "a=%00"}),
        (401, {"HTTP_AUTHORIZATION": "Bearer sb_wrong"}),
        (400, {"HTTP_HOST": "elsewhere.example"}),
        (431, {"HTTP_X": "x" * 100_000}),
        (413, {"CONTENT_LENGTH": str(10**9)}),
        (200, {"HTTP_COOKIE": "sessionid=x", "HTTP_ORIGIN": "https://elsewhere.example"}),
        (200, {"HTTP_X_FORWARDED_PROTO": "https"}),
    ],
    ids=lambda value: str(value)[:60],
)
@pytest.mark.parametrize("redirects", [False, True])
def test_both_ways_answer_the_same(
    make_token: Any, status: int, asked: dict[str, Any], redirects: bool
) -> None:
    for name in ("ana", "ben"):
        make_session(make_seed_user(name))
    known = {"HTTP_AUTHORIZATION": f"Bearer {make_token()}", **asked}
    with override_settings(SECURE_SSL_REDIRECT=redirects, ALLOWED_HOSTS=["testserver"]):
        lean, whole = wsgi._Lean(), wsgi.WSGIHandler()
        whole.load_middleware()
        ours, theirs = ask(lean, **known), ask(whole, **known)
    assert ours[0] == theirs[0]
    is_led_on = redirects and asked.get("HTTP_HOST") is None
    assert int(ours[0][:3]) == (301 if is_led_on else status)
    kept = [{k: v for k, v in one[1].items() if k not in OF_PAGES} for one in (ours, theirs)]
    assert kept[0] == kept[1]
    if theirs[0].startswith("200"):
        bodies = [json.loads(one[2]) for one in (ours, theirs)]
        for body in bodies:
            body["scores"][0].pop("response_id")
        assert bodies[0] == bodies[1]
    else:
        assert ours[2] == theirs[2]


def test_the_paths_are_led_there_and_no_other() -> None:
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wsgi, "_lean", lambda *_: seen.append("lean"))
        patch.setattr(wsgi, "_whole", lambda *_: seen.append("whole"))
        for path in (PATH, "/api/v1/match/rank", "/api/v1/people/x", "/admin/", "/api/v1/matchx"):
            wsgi.application({"PATH_INFO": path}, None)
    assert seen == ["lean", "lean", "whole", "whole", "whole"]
    assert set(settings.LEAN_MIDDLEWARE) < set(settings.MIDDLEWARE)
    order = [settings.MIDDLEWARE.index(one) for one in settings.LEAN_MIDDLEWARE]
    assert order == sorted(order)
    assert "django.contrib.sessions.middleware.SessionMiddleware" in settings.MIDDLEWARE
