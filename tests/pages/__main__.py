"""Run as `python -m tests.pages`: look at every page, write it down; 2 when something is red."""

import json
import os
import sys
from pathlib import Path

import pytest

WRITTEN = Path("var") / "pages" / "pages.json"


def main() -> int:
    """Look at everything, or take the pictures of the documentation: `... screenshots`."""
    what = sys.argv[1] if len(sys.argv) > 1 else "full"
    if what not in ("full", "screenshots"):
        sys.stderr.write(f"Expected nothing or screenshots, got {what}.\n")
        return 1
    os.environ["SEEDBED_PAGES"] = what
    WRITTEN.unlink(missing_ok=True)
    told = WRITTEN.with_name("looked-at.txt")  # page by page, for who wonders how far it is
    told.parent.mkdir(parents=True, exist_ok=True)
    told.write_text("", encoding="utf-8")
    os.environ["SEEDBED_PAGES_TOLD"] = str(told.absolute())
    test = "tests/pages/test_pages.py::test_what_was_seen_is_written_down"
    if what == "screenshots":
        test = "tests/pages/test_screenshots.py"
    ended = int(pytest.main(["--quiet", "-rs", "-p", "no:cacheprovider", "--timeout=7200", test]))
    if what == "screenshots" or ended:
        return int(ended != 0)
    if not WRITTEN.exists():
        sys.stderr.write("Nothing was looked at: see above what is missing.\n")
        return 1
    seen = json.loads(WRITTEN.read_text(encoding="utf-8"))
    red = {kind: count for kind, count in seen["red"].items() if count}
    unseen = seen["unseen"]
    print(f"{len(seen['pages'])} pages: {WRITTEN.with_name('index.html')}, {WRITTEN}")
    print("Red pages: " + (", ".join(f"{kind} {count}" for kind, count in red.items()) or "none"))
    for form in unseen:
        print(f"Neither opened nor left out: {form}")
    return 2 if red or unseen else 0


if __name__ == "__main__":
    sys.exit(main())
