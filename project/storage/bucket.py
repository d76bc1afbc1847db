"""A bucket of an S3-compatible server as the place of files, through obstore.

Nothing that the server or the library says is repeated: it may quote what was signed with the key.
"""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from project.storage.failures import (
    RESTORE,
    ArtifactMissing,
    ArtifactUnwritable,
    KeyTaken,
    StoreAway,
    StoreRefused,
)
from project.storage.place import Content, Listed, Stamp
from project.store_url import BucketUrl

RANGE_BYTES: Final = 16 * 1024 * 1024  # of one answer: a request has to end within its time
PART_BYTES: Final = 16 * 1024 * 1024  # of one request that writes
PARTS_AT_ONCE: Final = 3  # with PART_BYTES the memory that a writer takes
# Up to here one request writes, and the server itself refuses what is there.
WHOLE_BYTES: Final = 32 * 1024 * 1024
AWAY_SECONDS: Final = 3.0  # for which a server that did not answer is not asked again
LOOK_SECONDS: Final = 10.0  # how long a look at an object is good enough for the next one
REQUEST_SECONDS: Final = 60
RETRY_SECONDS: Final = 10
CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
NO_BUCKET: Final = frozenset({"NoSuchBucket", "InvalidBucketName"})
NO_ENTRY: Final = frozenset(
    {
        *("AccessDenied", "AccountProblem", "AllAccessDisabled", "ExpiredToken", "InvalidToken"),
        *(
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
        ),
    }
)
WAYS_IN: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class Bucket:
    """Files below a prefix of one bucket.

    The client belongs to one process: what forks opens its own.
    """

    def __init__(self, url: BucketUrl, staging_root: Path) -> None:
        self._url, self._staging_root = url, staging_root
        self._client: Any = None
        self._opened_by = 0
        self._seen_at = -LOOK_SECONDS
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._looks: dict[str, tuple[float, Stamp]] = {}

    @property
    def title(self) -> str:
        return str(self._url)

    @property
    def staging_root(self) -> Path:
        return self._staging_root

    def name(self, key: str) -> str:
        return "/".join(filter(None, ("s3:/", self._url.bucket, self._url.prefix, key)))

    def create(self, key: str, content: Content) -> None:
        size = _size_of(content)
        if size is None or size > WHOLE_BYTES:
            # obstore holds all of a conditional write in memory. In parts it cannot be conditional:
            # the look before it refuses, and two that come at once write the same, for a key of
            # this size is a digest.
            with contextlib.suppress(ArtifactMissing):
                self.stamp(key, is_fresh=True)
                raise KeyTaken(key)
            self._put(key, content, mode="overwrite", use_multipart=True)
            return
        self._put(key, content, mode="create", use_multipart=False)

    def replace(self, key: str, content: Content) -> None:
        size = _size_of(content)
        is_large = size is None or size > WHOLE_BYTES
        self._put(key, content, mode="overwrite", use_multipart=is_large)

    def stamp(self, key: str, *, is_fresh: bool = False) -> Stamp:
        now = time.monotonic()
        looked, known = self._looks.get(key, (0.0, None))
        if known is not None and not is_fresh and now - looked < LOOK_SECONDS:
            return known
        try:
            with self._in_words(key) as (library, client):
                found = library.head(client, key)
        except StoreAway:
            if known is not None and not is_fresh:
                return known  # as it was: nobody has seen it change
            raise
        except ArtifactMissing:
            self._looks.pop(key, None)
            raise
        stamp = Stamp(0, found["size"], int(found["last_modified"].timestamp() * 1e9))
        self._looks[key] = (now, stamp)
        return stamp

    def pieces(self, key: str) -> Iterator[bytes]:
        size = self.stamp(key, is_fresh=True).size
        for start in range(0, size, RANGE_BYTES):
            end = min(start + RANGE_BYTES, size)
            with self._in_words(key) as (library, client):
                piece = bytes(library.get_range(client, key, start=start, end=end))
            yield piece

    def listed(self, beginning: str) -> Iterator[Listed]:
        with self._in_words(beginning) as (library, client):
            pages = iter(library.list(client, prefix=beginning, chunk_size=1000))
        while True:
            with self._in_words(beginning):
                page = next(pages, None)
            if page is None:
                return
            for one in page:
                yield Listed(one["path"], one["size"], one["last_modified"])

    def remove(self, key: str) -> None:
        self._looks.pop(key, None)
        with contextlib.suppress(ArtifactMissing), self._in_words(key) as (library, client):
            library.delete(client, key)

    def _put(self, key: str, content: Content, *, mode: str, use_multipart: bool) -> None:
        self._looks.pop(key, None)
        source: Any = content if isinstance(content, bytes | Path) else iter(content)
        with self._in_words(key, is_writing=True) as (library, client):
            library.put(
                client,
                key,
                source,
                mode=mode,
                use_multipart=use_multipart,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )

    def _is_bucket_gone(self) -> bool:
        """Whether it is the bucket that is missing: to a look the server answers without words."""
        if time.monotonic() - self._seen_at < LOOK_SECONDS:
            return False
        library, client = self._open()
        from obstore import exceptions

        try:
            next(iter(library.list(client, chunk_size=1)), None)
        except (exceptions.BaseError, FileNotFoundError) as error:
            found = CODE.search(str(error))
            return found is not None and found.group(1) in NO_BUCKET
        self._seen_at = time.monotonic()
        return False

    def _open(self) -> tuple[Any, Any]:
        import obstore  # a command that looks at no bucket does without

        with self._lock:
            if self._client is None or self._opened_by != os.getpid():
                if not any(os.environ.get(name) for name in WAYS_IN):
                    raise StoreRefused(
                        f"{self.title}: this process has no key for it.",
                        remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment "
                        "of every web server, worker and scheduler.",
                    )
                self._client, self._opened_by = self._connected(), os.getpid()
        return obstore, self._client

    def _connected(self) -> Any:
        from obstore.store import S3Store

        config: dict[str, Any] = {}
        if self._url.endpoint:
            config["endpoint"] = self._url.endpoint
        if self._url.region or not (
            os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        ):
            config["region"] = self._url.region or "us-east-1"
        return S3Store(
            self._url.bucket,
            prefix=self._url.prefix or None,
            config=config,  # type: ignore[arg-type]
            client_options={
                "allow_http": self._url.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={
                "max_retries": 4,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    @contextlib.contextmanager
    def _in_words(self, key: str, *, is_writing: bool = False) -> Iterator[tuple[Any, Any]]:
        """Say what went wrong without a word of the server or the library."""
        if time.monotonic() < self._away_until:
            self._raise_away("")
        library, client = self._open()
        from obstore import exceptions as known

        try:
            yield library, client
        except known.AlreadyExistsError:
            raise KeyTaken(key) from None
        except known.BaseError as error:
            said = str(error)
            is_missing = isinstance(error, known.NotFoundError | FileNotFoundError)
            is_closed = isinstance(error, known.PermissionDeniedError | known.UnauthenticatedError)
        except FileNotFoundError as error:  # which is how the library says it of an object
            said, is_missing, is_closed = str(error), True, False
        except OSError as error:  # of the file that is sent
            if is_writing:
                raise ArtifactUnwritable(self.name(key), error) from None
            raise
        else:
            return
        self._raise(key, said, is_missing=is_missing, is_closed=is_closed)

    def _raise(self, key: str, said: str, *, is_missing: bool, is_closed: bool) -> NoReturn:
        found = CODE.search(said)
        code = found.group(1) if found else ""
        if is_missing and not code and self._is_bucket_gone():
            code = "NoSuchBucket"
        if code in NO_BUCKET:
            raise StoreRefused(
                f"{self.title}: there is no such bucket.",
                remedy="Make the bucket, or name another one in SEEDBED_STORE_URL.",
            ) from None
        if is_closed or code in NO_ENTRY:
            raise StoreRefused(
                f"{self.title} refuses the key of this process{f' ({code})' if code else ''}.",
                remedy="Look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in its environment, "
                "and at what that key may do: list the bucket, and read, write and delete its "
                "objects.",
            ) from None
        if is_missing:
            raise ArtifactMissing(f"{self.name(key)} is gone.", remedy=RESTORE) from None
        self._away_until = time.monotonic() + AWAY_SECONDS
        self._raise_away(code)

    def _raise_away(self, code: str) -> NoReturn:
        raise StoreAway(
            f"{self.title} does not answer{f' ({code})' if code else ''}.",
            remedy="Start the server, or look at the way to it; jobs wait meanwhile and go on by "
            "themselves.",
        ) from None


def _size_of(content: bytes | Path | Iterable[bytes]) -> int | None:
    if isinstance(content, bytes):
        return len(content)
    return content.stat().st_size if isinstance(content, Path) else None
