"""Live copies of sessions in Valkey: their key, JSON format and time to live.

Nothing else in Seedbed talks to Valkey about sessions. Other applications write sessions under
the same keys: what they wrote is read strictly, and fields that are not ours are kept.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
import redis
from django.conf import settings
from django.core.exceptions import ValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from matching.models.people import validate_external_id
from project.machine import see_valkey

PREFIX: Final = "session:"
BATCH: Final = 1000  # keys per round trip
CLIENT_TIMEOUT_SECONDS: Final = 10.0

# Limits of a document; ours have about 1 kB.
MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 6  # ours nest three deep
MAX_WORDS: Final = 100
MAX_TEXT: Final = 100  # characters
MAX_WORD: Final = 40  # characters
MAX_BUDGET: Final = 10_000_000.0
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
COORDINATE_DIGITS: Final = 6  # a tenth of a metre

NO_EXPIRY: Final = -1  # what PTTL says of a key that never expires

STATIC_FIELDS: Final = (
    "age",
    "gender",
    "personality",
    "interests",
    "languages",
    "location",
    "smoking",
    "drinking",
    "religion",
    "nationality",
    "profession",
)
_OWN_FIELDS: Final = frozenset(
    {
        "userId",
        "destination",
        "budget",
        "startDate",
        "endDate",
        "mode",
        "interests",
        "static_attributes",
        "createdAt",
    }
)


class ValkeyUnavailable(Exception):
    """Valkey does not answer; the record in PostgreSQL stands, its live copy waits."""


class MalformedSession(ValueError):
    """A live copy cannot be read; the message says which field, what was expected and what came."""


@dataclass(frozen=True)
class LiveSession:
    """What a live copy says.

    static_attributes : None when the copy has none
    created_at : None when the copy does not say
    foreign_fields : top-level fields of another application, kept when the copy is rewritten
    """

    external_id: str
    destination_name: str
    destination_lat: float
    destination_lon: float
    budget: float | None
    start_date: date
    end_date: date
    mode: str
    interests: tuple[str, ...]
    static_attributes: Mapping[str, Any] | None
    created_at: datetime | None
    foreign_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LiveCopy:
    """One key as it was found.

    session : None when the copy cannot be read
    problem : why it cannot be read; empty when it can
    ttl_ms : milliseconds to live; NO_EXPIRY when it never expires
    """

    external_id: str
    session: LiveSession | None
    problem: str
    ttl_ms: int


def key_of(external_id: str) -> str:
    """Return the key of a traveller's live copy."""
    return f"{PREFIX}{external_id}"


def read_all() -> Iterator[LiveCopy]:
    """Read every live copy, in batches, without blocking the server (SCAN, never KEYS)."""
    with _client() as client:
        seen: set[bytes] = set()
        batch: list[bytes] = []
        for key in client.scan_iter(match=f"{PREFIX}*", count=BATCH):
            if key in seen:  # SCAN may return a key twice
                continue
            seen.add(key)
            batch.append(key)
            if len(batch) == BATCH:
                yield from _read(client, batch)
                batch = []
        yield from _read(client, batch)


def read(external_ids: Iterable[str]) -> dict[str, LiveCopy]:
    """Read the live copies of these travellers; those without one are absent."""
    keys = [key_of(external_id).encode() for external_id in external_ids]
    found: dict[str, LiveCopy] = {}
    with _client() as client:
        for batch in _batches(keys):
            found.update((copy.external_id, copy) for copy in _read(client, batch))
    return found


def present(external_ids: Iterable[str]) -> set[str]:
    """Return which of these travellers have anything under their key, whoever wrote it."""
    found: set[str] = set()
    with _client() as client:
        for batch in _batches(list(external_ids)):
            pipeline = client.pipeline(transaction=False)
            for external_id in batch:
                pipeline.exists(key_of(external_id))
            answers = zip(batch, pipeline.execute(), strict=True)
            found.update(external_id for external_id, is_there in answers if is_there)
    return found


def write(copies: Iterable[tuple[LiveSession, datetime]], *, only_if_absent: bool = False) -> int:
    """Write live copies, each with the moment it expires; returns how many were written.

    With `only_if_absent` a copy that another application has written meanwhile is left alone.
    """
    written = 0
    with _client() as client:
        for batch in _batches(list(copies)):
            pipeline = client.pipeline(transaction=False)
            for session, expires_at in batch:
                pipeline.set(
                    key_of(session.external_id),
                    orjson.dumps(as_document(session)),
                    pxat=math.ceil(expires_at.timestamp() * 1000),
                    nx=only_if_absent,
                )
            written += sum(bool(answer) for answer in pipeline.execute())
    return written


def remove(external_ids: Iterable[str]) -> int:
    """Remove the live copies of these travellers; returns how many there were."""
    removed = 0
    with _client() as client:
        for batch in _batches([key_of(external_id) for external_id in external_ids]):
            removed += int(client.unlink(*batch))
    return removed


@dataclass(frozen=True)
class Moved:
    """Where the copy under a former name belongs.

    since : when the name became a former one; what was written there later goes before what is
        under the present name
    """

    present: str
    since: datetime


def move(former: Mapping[str, Moved]) -> int:
    """Move live copies from former names to present ones, whole and with their time to live.

    Where both keys have one, that of the former name counts only if another application wrote it
    after the name had changed, and after the other. Copies that cannot be read stay where they are.
    Returns how many keys of former names were cleared; doing it twice changes nothing.
    """
    with _client() as client:
        return sum(_move(client, name, moved) for name, moved in former.items())


def rewrite(change: Callable[[Any], Any]) -> int:
    """Put the texts of every live copy through a function; returns how many were written anew.

    A copy keeps its time to live. What is no JSON is left as it is.
    """
    written = 0
    with _client() as client:
        for batch in _batches(list(client.scan_iter(match=f"{PREFIX}*", count=BATCH))):
            for key, text in zip(batch, client.mget(batch), strict=True):
                try:
                    document = orjson.loads(text or b"")
                except orjson.JSONDecodeError:
                    continue
                other = change(document)
                if other != document:
                    written += bool(client.set(key, orjson.dumps(other), xx=True, keepttl=True))
    return written


def as_document(session: LiveSession) -> dict[str, Any]:
    """Return a session in the JSON format that is shared with other applications."""
    document = {
        **session.foreign_fields,
        "userId": session.external_id,
        "destination": {
            "name": session.destination_name,
            "lat": session.destination_lat,
            "lon": session.destination_lon,
        },
        "budget": session.budget,
        "startDate": session.start_date.isoformat(),
        "endDate": session.end_date.isoformat(),
        "mode": session.mode,
        "interests": list(session.interests),
        "static_attributes": session.static_attributes,
    }
    if session.created_at is not None:
        document["createdAt"] = session.created_at.astimezone(UTC).isoformat(
            timespec="milliseconds"
        )
    return document


def parse(external_id: str, text: bytes) -> LiveSession:
    """Read a live copy strictly.

    Raises
    ------
    MalformedSession
        For anything that a session cannot be.
    """
    _check_id(external_id)
    if len(text) > MAX_BYTES:
        raise MalformedSession(f"Expected at most {MAX_BYTES:,} bytes, got {len(text):,}.")
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedSession(f"Expected JSON in UTF-8: {error}.") from error
    if not isinstance(document, dict):
        raise MalformedSession(f"Expected a JSON object, got {_shown(document)}.")
    if _depth(document, MAX_DEPTH + 1) > MAX_DEPTH:
        raise MalformedSession(f"Expected objects nested at most {MAX_DEPTH} deep.")
    if "\\u0000" in (plain := text.decode()) or "\x00" in plain:
        raise MalformedSession("Expected text without NUL characters.")
    if document.get("userId", external_id) != external_id:
        raise MalformedSession(
            f"userId: expected {external_id} as in the key, got {_shown(document['userId'])}."
        )
    place = document.get("destination")
    if not isinstance(place, dict):
        raise MalformedSession(f"destination: expected an object, got {_shown(place)}.")
    start, end = _day(document, "startDate"), _day(document, "endDate")
    if end < start:
        raise MalformedSession(f"endDate: {end} is before startDate, {start}.")
    mode = document.get("mode", "solo")
    if mode not in ("solo", "group"):
        raise MalformedSession(f"mode: expected solo or group, got {_shown(mode)}.")
    static = document.get("static_attributes")
    if static is not None and not isinstance(static, dict):
        raise MalformedSession(f"static_attributes: expected an object, got {_shown(static)}.")
    return LiveSession(
        external_id=external_id,
        destination_name=_text(place, "destination", "name"),
        destination_lat=_number(place, "destination.lat", "lat", -90.0, 90.0),
        destination_lon=_number(place, "destination.lon", "lon", -180.0, 180.0),
        budget=(
            None
            if document.get("budget") is None
            else _number(document, "budget", "budget", 0.0, MAX_BUDGET)
        ),
        start_date=start,
        end_date=end,
        mode=mode,
        interests=_words(document.get("interests")),
        static_attributes=static or None,
        created_at=_moment(document),
        foreign_fields={k: v for k, v in document.items() if k not in _OWN_FIELDS},
    )


def differences(recorded: LiveSession, found: LiveSession) -> list[str]:
    """Name the fields, as the format calls them, in which a live copy differs from its record."""
    pairs = {
        "destination": (_place(recorded), _place(found)),
        "budget": (_rounded(recorded.budget), _rounded(found.budget)),
        "startDate": (recorded.start_date, found.start_date),
        "endDate": (recorded.end_date, found.end_date),
        "mode": (recorded.mode, found.mode),
        "interests": (set(recorded.interests), set(found.interests)),
    }
    names = [name for name, (ours, theirs) in pairs.items() if ours != theirs]
    if recorded.static_attributes is None or found.static_attributes is None:
        return names
    ours, theirs = recorded.static_attributes, found.static_attributes
    return names + [
        f"static_attributes.{name}"
        for name in STATIC_FIELDS
        if _comparable(ours.get(name)) != _comparable(theirs.get(name))
    ]


@contextmanager
def _client() -> Iterator[Any]:
    """A client whose failures to connect or answer become ValkeyUnavailable."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=CLIENT_TIMEOUT_SECONDS,
            socket_connect_timeout=CLIENT_TIMEOUT_SECONDS,
        ) as client:
            yield client
    except (RedisConnectionError, RedisTimeoutError) as error:
        raise ValkeyUnavailable(
            f"Valkey does not answer: {error} {see_valkey()} Then run "
            "`manage.py check_sessions --repair`."
        ) from error


def _read(client: Any, keys: Sequence[bytes]) -> Iterator[LiveCopy]:
    """Read some keys in two round trips; too long or foreign values never travel."""
    if not keys:
        return
    pipeline = client.pipeline(transaction=False)
    for key in keys:
        pipeline.strlen(key)
        pipeline.pttl(key)
    answers = pipeline.execute(raise_on_error=False)
    sizes, ttls = answers[::2], answers[1::2]
    readable = [
        key
        for key, size in zip(keys, sizes, strict=True)
        if isinstance(size, int) and 0 < size <= MAX_BYTES
    ]
    texts = dict(zip(readable, client.mget(readable), strict=True)) if readable else {}
    for key, size, ttl in zip(keys, sizes, ttls, strict=True):
        if isinstance(ttl, Exception):
            raise ttl
        name = key.decode(errors="backslashreplace").removeprefix(PREFIX)
        if isinstance(size, Exception):
            yield LiveCopy(name, None, "Expected a string value, got another type.", ttl)
        elif size > MAX_BYTES:
            problem = f"Expected at most {MAX_BYTES:,} bytes, got {size:,}."
            yield LiveCopy(name, None, problem, ttl)
        elif texts.get(key) is not None:
            try:
                yield LiveCopy(name, parse(name, texts[key]), "", ttl)
            except MalformedSession as error:
                yield LiveCopy(name, None, str(error), ttl)
        elif ttl >= NO_EXPIRY and size == 0:
            yield LiveCopy(name, None, "Expected a JSON object, got an empty value.", ttl)


def _move(client: Any, former: str, moved: Moved) -> bool:
    there, here = key_of(former).encode(), key_of(moved.present).encode()
    is_cleared = False

    def take(pipe: Any) -> None:
        nonlocal is_cleared
        copies = {copy.external_id: copy for copy in _read(client, [there, here])}
        found, kept = copies.get(former), copies.get(moved.present)
        is_cleared = found is not None and found.session is not None
        pipe.multi()
        if not is_cleared or found is None or found.session is None:
            return
        if kept is None or _goes_before(found.session, kept, moved.since):
            text = orjson.dumps(as_document(replace(found.session, external_id=moved.present)))
            pipe.set(here, text, px=None if found.ttl_ms == NO_EXPIRY else max(1, found.ttl_ms))
        pipe.unlink(there)

    client.transaction(take, there, here)
    return is_cleared


def _goes_before(found: LiveSession, kept: LiveCopy, since: datetime) -> bool:
    if kept.session is None or found.created_at is None or found.created_at <= since:
        return False
    return kept.session.created_at is None or found.created_at > kept.session.created_at


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


def _depth(value: Any, limit: int) -> int:
    """Levels of nesting, counted up to a limit."""
    if limit == 0 or not isinstance(value, dict | list):
        return 0
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(part, limit - 1) for part in parts), default=0)


def _check_id(external_id: str) -> None:
    try:
        validate_external_id(external_id)
    except ValidationError as error:
        raise MalformedSession(f"key: {error.message} Got {_shown(external_id)}.") from error


def _text(holder: Mapping[str, Any], path: str, name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TEXT:
        raise MalformedSession(
            f"{path}.{name}: expected 1 to {MAX_TEXT} characters, got {_shown(value)}."
        )
    return value.strip()


def _number(holder: Mapping[str, Any], path: str, name: str, low: float, high: float) -> float:
    value = holder.get(name)
    # bool is an int to Python, not to us.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise MalformedSession(
            f"{path}: expected a number from {low:,.0f} to {high:,.0f}, got {_shown(value)}."
        )
    return float(value)


def _day(document: Mapping[str, Any], name: str) -> date:
    value = document.get(name)
    try:
        day = _as_datetime(value).date()
    except (TypeError, ValueError, OverflowError, OSError):
        raise MalformedSession(
            f"{name}: expected a date such as 2026-12-24, got {_shown(value)}."
        ) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise MalformedSession(f"{name}: expected {FIRST_DAY} to {LAST_DAY}, got {day}.")
    return day


def _moment(document: Mapping[str, Any]) -> datetime | None:
    value = document.get("createdAt")
    if value is None:
        return None
    try:
        return _as_datetime(value)
    except (TypeError, ValueError, OverflowError, OSError):
        raise MalformedSession(
            f"createdAt: expected an ISO time or milliseconds since 1970, got {_shown(value)}."
        ) from None


def _as_datetime(value: Any) -> datetime:
    """Read ISO text or milliseconds since 1970; a time without a zone is UTC."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(value)
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value / 1000, UTC)


def _words(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_WORDS:
        raise MalformedSession(
            f"interests: expected a list of at most {MAX_WORDS} words, got {_shown(value)}."
        )
    for word in value:
        if not isinstance(word, str) or len(word.strip()) > MAX_WORD:
            raise MalformedSession(
                f"interests: expected words of at most {MAX_WORD} characters, got {_shown(word)}."
            )
    return tuple(dict.fromkeys(word.strip().lower() for word in value if word.strip()))


def _place(session: LiveSession) -> tuple[str, float, float]:
    return (
        session.destination_name,
        round(session.destination_lat, COORDINATE_DIGITS),
        round(session.destination_lon, COORDINATE_DIGITS),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 2)


def _comparable(value: Any) -> Any:
    """Make values equal that mean the same: order of words, digits of coordinates."""
    if isinstance(value, list | tuple):
        return sorted(str(word).strip().lower() for word in value)
    if isinstance(value, Mapping):
        return {key: _comparable(part) for key, part in value.items()}
    if isinstance(value, float):
        return round(value, COORDINATE_DIGITS)
    return value if value not in ("", []) else None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_WORD else f"{text[:MAX_WORD]}…"
