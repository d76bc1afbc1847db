"""Keeps what was uploaded until a job has landed it."""

import shutil
import uuid
from pathlib import Path
from typing import IO

from django.conf import settings

UPLOADS = "feedback"


def keep_upload(stream: IO[bytes]) -> Path:
    """Copy what was uploaded to where workers find it, under a name of our own."""
    folder = Path(settings.MEDIA_ROOT) / UPLOADS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    with path.open("wb") as kept:
        shutil.copyfileobj(stream, kept)
    path.chmod(0o600)
    return path
