"""Fetches axe-core, with which the pages are measured, into the environment beside Chromium.

Run as `python -m tests.pages.axe`. Nothing but the standard library: make runs it before the tests.
"""

import base64
import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

VERSION = "4.14.1"
ADDRESS = f"https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
MEMBER = "package/axe.min.js"
SCRIPT = Path(sys.prefix) / f"axe-core-{VERSION}" / "axe.min.js"
MISSING = f"no axe-core {VERSION} in the environment: run `make browser` with a network"
HANGS_SECONDS = 600


def unpack(packed: bytes) -> bytes:
    """Return the script of the package; ValueError for any other package."""
    came = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    if came != SHA512:
        raise ValueError(f"Expected axe-core {VERSION} with sha512 {SHA512}, got {came}.")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        script = archive.extractfile(MEMBER)
        if script is None:
            raise ValueError(f"Expected {MEMBER} in the package of axe-core.")
        return script.read()


def main() -> int:
    """Fetch the script unless it is there; 0 in any case, for the tests say what they lack."""
    if SCRIPT.exists():
        return 0
    try:
        with urllib.request.urlopen(ADDRESS, timeout=HANGS_SECONDS) as answer:
            script = unpack(answer.read())
    except (OSError, ValueError) as error:
        sys.stderr.write(f"axe-core was not fetched; the tests of the pages will say so: {error}\n")
        return 0
    SCRIPT.parent.mkdir(exist_ok=True)
    fresh = SCRIPT.with_suffix(".fresh")
    fresh.write_bytes(script)
    fresh.replace(SCRIPT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
