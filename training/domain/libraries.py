"""The libraries that write datasets and models, and with which a model loads."""

from importlib.metadata import version
from typing import Final

SKLEARN: Final = "scikit-learn"
LIBRARIES: Final = ("numpy", "pandas", "pyarrow", SKLEARN, "joblib")


def library_versions() -> dict[str, str]:
    """Return the versions of what wrote the files."""
    return {name: version(name) for name in LIBRARIES}
