"""A server that speaks PostgreSQL's protocol as long as it likes, and then does something else."""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MB = 1024 * 1024
COLUMNS = {
    "id": "text",
    "response_id": "text",
    "quality_rating": "double precision",
    "created_at": "timestamp with time zone",
}
Send = Callable[[bytes], None]
Answer = Callable[[Send], None]


class Gone(Exception):
    """The server wants the line closed."""


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def described(count: int = 1) -> bytes:
    field = b"f\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    return message(b"T", struct.pack("!h", count) + field * count)


def data(*values: bytes | None) -> bytes:
    body = struct.pack("!h", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message(b"D", body)


def table(*rows: tuple[bytes | None, ...], columns: int = 1) -> bytes:
    return described(columns) + b"".join(data(*row) for row in rows) + done()


def done(tag: str = "SELECT 1") -> bytes:
    return message(b"C", tag.encode() + b"\0")


def error(text: bytes, code: bytes = b"XX000") -> bytes:
    return message(b"E", b"SERROR\0VERROR\0C" + code + b"\0M" + text + b"\0\0")


def a_row(number: int = 1, **fields: object) -> bytes:
    row = {"id": f"r{number}", "quality_rating": 0.5, "created_at": "2026-03-04T10:00:00+00:00"}
    return json.dumps({**row, **fields}).encode()


def say(*messages: bytes) -> Answer:
    """Answer with these."""
    return lambda send: send(b"".join(messages))


def then_close(*messages: bytes) -> Answer:
    """Answer with these and close the line."""

    def answer(send: Send) -> None:
        send(b"".join(messages))
        raise Gone

    return answer


def for_ever(first: bytes, again: bytes) -> Answer:
    """Answer with this, and then the other until nobody listens any more."""

    def answer(send: Send) -> None:
        send(first)
        block = again * max(1, MB // len(again))
        while True:
            send(block)

    return answer


def silence(*messages: bytes) -> Answer:
    """Answer with these, and then not at all, until the line is closed by the other side."""

    def answer(send: Send) -> None:
        send(b"".join(messages))
        raise TimeoutError

    return answer


HONEST: dict[str, Answer] = {
    "to_char": say(table((b"2026-04-01T00:00:00.000000+00:00",))),
    "server_version": say(table((b"17.0",))),
    "pg_inherits": say(table((b"16384", b"r", b"3"), columns=3)),
    "pg_attribute": say(table(*((n.encode(), t.encode()) for n, t in COLUMNS.items()), columns=2)),
    "pg_policy": say(table(columns=3)),
    "SELECT value": say(table((b"0.5", b"3"), columns=2)),
    "IS NULL OR": say(table((b"0",))),
    "count(*)": say(table((b"3",))),
    "DECLARE": say(done("DECLARE CURSOR")),
    "FETCH FORWARD": say(table(*((a_row(n),) for n in range(3)))),
    "CLOSE": say(done("CLOSE CURSOR")),
    "SET LOCAL": say(done("SET")),
    "BEGIN": say(done("BEGIN")),
}


class Server:
    """Listens on a port of this machine; the first word of `answers` that a query holds tells."""

    def __init__(
        self,
        answers: dict[str, Answer],
        *,
        greets: bool = True,
        tls: ssl.SSLContext | None = None,
        scram_iterations: int | None = None,
        greeting: Answer | None = None,
    ) -> None:
        self.answers = {**answers, **{k: v for k, v in HONEST.items() if k not in answers}}
        self.greets, self.tls = greets, tls
        self.scram_iterations, self.greeting = scram_iterations, greeting
        self.sent = 0
        self.passwords: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for line in (self._listening, *self._lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listening.accept()
                self._lines.append(line)
                threading.Thread(target=self._serve, args=[line], daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError, Gone, EOFError, struct.error):
            if self.greets:
                line = self._greet(line)
                self._talk(line)
            else:
                line.recv(1)
                self._wait(line)
        line.close()

    def _read(self, line: socket.socket, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = line.recv(count - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def _wait(self, line: socket.socket) -> None:
        while line.recv(4096):
            pass

    def _greet(self, line: socket.socket) -> socket.socket:
        while True:
            (length,) = struct.unpack("!i", self._read(line, 4))
            body = self._read(line, length - 4)
            if struct.unpack("!i", body[:4])[0] != 80877103:  # a request for TLS
                break
            if self.tls is None:
                line.sendall(b"N")
            else:
                line.sendall(b"S")
                line = self.tls.wrap_socket(line, server_side=True)
                self._lines.append(line)
        if self.scram_iterations is not None:
            self._ask_for_proof(line, self.scram_iterations)
        line.sendall(message(b"R", struct.pack("!i", 3)))  # the password in clear
        self.passwords.append(self._said(line).rstrip(b"\0"))
        if self.greeting is not None:
            line.sendall(message(b"R", struct.pack("!i", 0)))
            self.greeting(line.sendall)
        line.sendall(
            message(b"R", struct.pack("!i", 0))
            + message(b"S", b"client_encoding\0UTF8\0")
            + message(b"S", b"server_version\x0017.0\0")
            + message(b"Z", b"I")
        )
        return line

    def _said(self, line: socket.socket) -> bytes:
        self._read(line, 1)
        (length,) = struct.unpack("!i", self._read(line, 4))
        return self._read(line, length - 4)

    def _ask_for_proof(self, line: socket.socket, iterations: int) -> None:
        """Ask for the password hashed so often; whoever gets as far as to answer is shown out."""
        line.sendall(message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"))
        nonce = self._said(line).partition(b",r=")[2]
        asked = b"r=%bserver,s=c2FsdHNhbHRzYWx0c2FsdA==,i=%d" % (nonce, iterations)
        line.sendall(message(b"R", struct.pack("!i", 11) + asked))
        self._said(line)
        raise Gone

    def _talk(self, line: socket.socket) -> None:
        def send(block: bytes) -> None:
            line.sendall(block)
            self.sent += len(block)

        asked = ""
        while True:
            kind = self._read(line, 1)
            (length,) = struct.unpack("!i", self._read(line, 4))
            body = self._read(line, length - 4)
            if kind == b"X":
                return None
            if kind in (b"Q", b"P"):
                asked = body.decode(errors="replace")
                is_extended = kind == b"P"
            if kind in (b"Q", b"S"):
                if is_extended:
                    send(message(b"1") + message(b"2"))
                answer = next((a for word, a in self.answers.items() if word in asked), say(done()))
                try:
                    answer(send)
                except TimeoutError:
                    return self._wait(line)
                send(message(b"Z", b"T"))


@contextmanager
def serving(
    answers: dict[str, Answer],
    *,
    greets: bool = True,
    tls: ssl.SSLContext | None = None,
    scram_iterations: int | None = None,
    greeting: Answer | None = None,
) -> Iterator[Server]:
    server = Server(
        answers, greets=greets, tls=tls, scram_iterations=scram_iterations, greeting=greeting
    )
    try:
        yield server
    finally:
        server.close()
