"""The tabs of a page that is shown in parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tab:
    """One part: its title and address, and whether it is the one that is shown."""

    title: str
    url: str
    is_current: bool


def _by_query(name: str) -> str:
    return f"?tab={name}"


def tabs_of(
    titles: Mapping[str, str], current: str, *, url: Callable[[str], str] = _by_query
) -> list[Tab]:
    """Return the tabs for components/tabs.html; `url` gives the address of a name."""
    return [Tab(title, url(name), name == current) for name, title in titles.items()]
