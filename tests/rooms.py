"""The packages of the product, as the contracts between them name them: a new one is not forgotten.

No Django here: checks of the source ask for it before anything is set up.
"""

import tomllib
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
_CONFIGURED = tomllib.loads((BASE / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: tuple[str, ...] = tuple(_CONFIGURED["tool"]["importlinter"]["root_packages"])
