"""How a request of the server becomes one of WSGI, and its answer goes back."""

import asyncio
import threading
from types import SimpleNamespace

import pytest

from project import web
from tests.waiting import until


class Headers(list):
    """As granian has them: pairs of names in small letters and values."""

    def items(self):
        return list(self)


def scope(**given):
    return SimpleNamespace(
        **{
            "method": "POST",
            "path": "/héllo/%41",
            "query_string": "a=%20b",
            "client": "192.0.2.7:5000",
            "server": "127.0.0.1:8000",
            "scheme": "http",
            "http_version": "1.1",
            "authority": None,
            "headers": Headers([("host", "localhost")]),
            **given,
        }
    )


class Protocol:
    """A client that sends some chunks, and perhaps no more for ever."""

    def __init__(self, *chunks, is_held=False):
        self.chunks, self.is_held, self.told, self.sent = chunks, is_held, None, []

    async def __aiter__(self):
        for chunk in self.chunks:
            yield chunk
        if self.is_held:
            await asyncio.Event().wait()

    def response_empty(self, status, headers):
        self.told = (status, dict(headers), b"")

    def response_bytes(self, status, headers, body):
        self.told = (status, dict(headers), body)

    def response_stream(self, status, headers):
        self.told = (status, dict(headers), None)
        return self

    async def send_bytes(self, data):
        self.sent.append(data)


class Whole(list):
    """A response as Django makes it."""

    streaming = False
    is_closed = False

    def close(self):
        self.is_closed = True


class Streamed(Whole):
    streaming = True


def echo(environ, start_response):
    start_response("201 Created", [("Content-Type", "x/y"), ("X-Read", "a")])
    return Whole([environ["wsgi.input"].read(), b"."])


def answer(application, protocol, longest=1_000_000, **given):
    asyncio.run(web.Server(application, longest).__rsgi__(scope(**given), protocol))
    return protocol


def with_body(length):
    return {"headers": Headers([("content-length", str(length))])}


def test_a_body_reaches_the_application_whole():
    for parts in ([b"abc"], [b"a", b"", b"bc"]):
        told = answer(echo, Protocol(*parts), **with_body(3)).told
        assert told == (201, {"content-type": "x/y", "x-read": "a"}, b"abc.")
    long = b"x" * (web.IN_MEMORY + 1)
    assert answer(echo, Protocol(long), **with_body(len(long))).told[2] == long + b"."


@pytest.mark.parametrize("said", ["", "0", "-1", "many", "9" * 40, "1000001"])
def test_a_body_that_is_too_long_or_of_no_length_is_not_read(said):
    protocol = Protocol(is_held=True)  # to read it would take for ever
    headers = Headers([("content-length", said)])
    assert answer(echo, protocol, headers=headers).told[2] == b"."


def test_half_a_body_asks_no_page(monkeypatch):
    monkeypatch.setattr(web, "IDLE_SECONDS", 0.01)

    def never(environ, start_response):
        pytest.fail("A page was asked.")

    for protocol in (Protocol(b"ab"), Protocol(b"ab", is_held=True), Protocol(is_held=True)):
        assert answer(never, protocol, **with_body(3)).told[0] == 408


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a", b"", b"b"]])
def test_what_is_made_bit_by_bit_is_sent_bit_by_bit(parts):
    made = Streamed(parts)

    def application(environ, start_response):
        start_response("200 OK", [])
        return made

    assert answer(application, protocol := Protocol()).told[0] == 200
    assert protocol.sent == [part for part in parts if part]
    assert made.is_closed


def test_who_leaves_in_the_middle_leaves_nothing_open():
    made = Streamed([b"a", b"b"])

    class Gone(Protocol):
        async def send_bytes(self, data):
            raise RuntimeError("closed")

    def application(environ, start_response):
        start_response("200 OK", [])
        return made

    with pytest.raises(RuntimeError, match="closed"):
        answer(application, Gone())
    assert made.is_closed


def test_an_application_that_fails_ends_no_thread():
    fails = [True]

    def application(environ, start_response):
        if fails:
            raise ZeroDivisionError
        return echo(environ, start_response)

    async def ask_on():
        server = web.Server(application, 100)
        for _ in range(web.THREADS + 1):
            with pytest.raises(ZeroDivisionError):
                await server.__rsgi__(scope(), Protocol())
        fails.clear()
        protocol = Protocol()
        await server.__rsgi__(scope(), protocol)
        return protocol.told[0]

    assert asyncio.run(ask_on()) == 201


def with_held(held, asked):
    """Ask for some paths that are answered when all else is over, then for another."""
    began, goes_on = [], threading.Event()

    def application(environ, start_response):
        if environ["PATH_INFO"] in held:
            began.append(environ["PATH_INFO"])
            goes_on.wait()
        start_response("200 OK", [])
        return Whole([environ["PATH_INFO"].encode()])

    server, loop = web.Server(application, 100, ("/quick/",)), asyncio.new_event_loop()
    turns = threading.Thread(target=loop.run_forever)
    turns.start()

    def ask(path):
        asking = server.__rsgi__(scope(path=path), protocol := Protocol())
        return asyncio.run_coroutine_threadsafe(asking, loop), protocol

    waiting = [ask(path)[0] for path in held]
    try:
        until(lambda: len(began) == len(held))
        asking, protocol = ask(asked)
        until(asking.done, awaited="an answer")
    finally:
        goes_on.set()
        for one in waiting:
            one.result()
        loop.call_soon_threadsafe(loop.stop)
        turns.join()
        loop.close()
    return protocol.told[2].decode()


def test_what_is_answered_from_memory_waits_for_no_page():
    pages = [f"/page/{number}" for number in range(web.THREADS)]
    assert with_held(pages, "/quick/now") == "/quick/now"
    quick = [f"/quick/{number}" for number in range(web.QUICK_THREADS)]
    assert with_held(quick, "/page/now") == "/page/now"


def test_where_all_the_quick_are_held_the_others_answer(monkeypatch):
    monkeypatch.setattr(web, "HELD_SECONDS", -1.0)
    quick = [f"/quick/{number}" for number in range(web.QUICK_THREADS)]
    assert with_held(quick, "/quick/now") == "/quick/now"


def test_a_request_is_as_wsgi_has_it():
    headers = Headers(
        [
            *(("host", "a.example"), ("content-type", "x/y"), ("x-forwarded-for", "1.1.1.1")),
            *(("x_forwarded_for", "2.2.2.2"), ("x-forwarded-for", "3.3.3.3")),
            *(("cookie", "a=1"), ("cookie", "b=2")),
        ]
    )
    environ = web.environ_of(scope(headers=headers, client="[2001:db8::1]:5000"))
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/héllo/%41"
    assert environ["QUERY_STRING"] == "a=%20b"
    assert (environ["CONTENT_TYPE"], environ["HTTP_HOST"]) == ("x/y", "a.example")
    # One with an underscore would pass for the other, which a proxy has written.
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.1.1.1,3.3.3.3"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["REMOTE_ADDR"] == "2001:db8::1"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("127.0.0.1", "8000")
    assert (
        web.environ_of(scope(headers=Headers(), authority="b.example"))["HTTP_HOST"] == "b.example"
    )
