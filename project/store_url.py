"""Reads the address of the store: a folder of this machine, or a bucket of any S3 server."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from project import words

ASKED = ("endpoint", "region")  # what may stand behind the question mark
EXPECTED = "file:///folder, or s3://bucket/prefix?endpoint=https://host:port&region=name"


class UnusableStoreUrl(ValueError):
    """The address names no store; what it said is not repeated, for it may hold a secret."""


@dataclass(frozen=True)
class FolderUrl:
    """A folder of this machine, or of a share that is mounted on each."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True)
class BucketUrl:
    """A bucket, and what the names of its objects begin with; holds no secret.

    endpoint : address of the server, empty for AWS; region : empty for what the environment says.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.bucket, self.prefix)))
        return f"s3://{place}" + (f" at {self.endpoint}" if self.endpoint else "")


def read_store_url(text: str, default: Path) -> FolderUrl | BucketUrl:
    """Return what an address names; an empty one and ``file://`` alone are the default folder.

    Raises
    ------
    UnusableStoreUrl : in words, without what it said.
    """
    try:
        parts = urlsplit(text)
        has_user = parts.username is not None or parts.password is not None
        asked = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise UnusableStoreUrl(f"It cannot be read; expected {EXPECTED}.") from None
    if has_user:
        raise UnusableStoreUrl(
            "It holds a name or a key before the @: the bucket's key is read from "
            f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY alone; expected {EXPECTED}."
        )
    if parts.scheme in ("", "file"):
        return _folder(text, unquote(parts.path), parts.netloc, bool(parts.query), default)
    if parts.scheme != "s3":
        raise UnusableStoreUrl(f"It begins with neither file:// nor s3://; expected {EXPECTED}.")
    if strange := sorted(set(asked) - set(ASKED)):
        raise UnusableStoreUrl(
            f"It asks for {words.tally(len(strange), 'thing')} that a store has not: there are "
            f"{', '.join(ASKED)}, and keys are read from the environment alone; expected "
            f"{EXPECTED}."
        )
    if not parts.netloc or ":" in parts.netloc:
        raise UnusableStoreUrl(f"It names no bucket; expected {EXPECTED}.")
    prefix = unquote(parts.path).strip("/")
    if any(step in ("", ".", "..") for step in prefix.split("/")) and prefix:
        raise UnusableStoreUrl(f"Its prefix has an empty step, . or ..; expected {EXPECTED}.")
    return BucketUrl(
        parts.netloc, prefix, _endpoint(asked.get("endpoint", "")), asked.get("region", "")
    )


def _folder(text: str, path: str, host: str, has_query: bool, default: Path) -> FolderUrl:
    if not path and not host and not has_query:
        return FolderUrl(default)
    if host or has_query or not path.startswith("/") or not text.startswith("file:"):
        raise UnusableStoreUrl(f"It names no folder from the root on; expected {EXPECTED}.")
    return FolderUrl(Path(path))


def _endpoint(text: str) -> str:
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        is_plain = parts.username is None and parts.password is None and not parts.query
        is_known = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_plain = is_known = False
    if not is_plain or not is_known:
        raise UnusableStoreUrl(
            f"Its endpoint is no address as https://host:port without a name or key in it; "
            f"expected {EXPECTED}."
        )
    return text.rstrip("/")
