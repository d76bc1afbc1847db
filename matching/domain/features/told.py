"""Features in words: what each is called, and what it was computed from."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from matching.domain.features.names import PRODUCTS
from project import words

TITLES: Final[Mapping[str, str]] = {
    "distance_score": "Destinations",
    "date_overlap_score": "Dates",
    "budget_score": "Budget",
    "interest_score": "Interests",
    "age_score": "Age",
    "personality_score": "Personality",
    "language_score": "Languages",
    "lifestyle_score": "Smoking and drinking",
    "background_score": "Background",
    "group_size_score": "Size of the group",
    "group_diversity_score": "Diversity of the group",
    "destination_interest": "Destinations and interests",
    "date_budget": "Dates and budget",
}
UNKNOWN: Final = "unknown"

_Inputs = Mapping[str, Any]


def tell_inputs(name: str, inputs: _Inputs) -> str:
    """Say what a feature of a pair was computed from; `inputs` are those of `explain_pair`."""
    if name in PRODUCTS:
        return " \N{MULTIPLICATION SIGN} ".join(
            f"{TITLES[part].lower()} {_known(value)}" for part, value in inputs.items()
        )
    return _TELL[name](inputs)


def _known(value: Any, unit: str = "") -> str:
    if value is None or value == []:
        return UNKNOWN
    if isinstance(value, int | float):
        return words.number(value) + unit
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _many(value: Any, one: str, several: str) -> str:
    return f"{_known(value)} {words.bend(value if isinstance(value, int) else 0, one, several)}"


def _both(left: Any, right: Any) -> str:
    """Two values side by side; once where they are the same."""
    if left == right and left is not None:
        return f"both {_known(left)}"
    return f"{_known(left)} and {_known(right)}"


def _destinations(inputs: _Inputs) -> str:
    if inputs["km"] is None:
        absent = [s for s in ("left", "right") if inputs[s]["destination_lat"] is None]
        return "both destinations unknown" if len(absent) == 2 else "one destination unknown"
    return f"{_known(inputs['km'])} km apart"


def _dates(inputs: _Inputs) -> str:
    left, right = (_stay(inputs[side]) for side in ("left", "right"))
    shared = inputs["overlap_days"]
    said = f"{left}; {right}" if left != right else f"both {left}"
    return said if shared is None else f"{said}: {_days(shared)} in common"


def _stay(side: _Inputs) -> str:
    start, end = side["start_date"], side["end_date"]
    if start is None or end is None:
        return UNKNOWN
    return words.stay(date.fromisoformat(start), date.fromisoformat(end))


def _days(count: float) -> str:
    return f"{count:.0f} day" if count == 1 else f"{count:.0f} days"


def _apart(gap: str, unit: str = "") -> Callable[[_Inputs], str]:
    def tell(inputs: _Inputs) -> str:
        left, right = inputs["left"], inputs["right"]
        if left is None or right is None or left == right:
            return _both(left, right) + (unit if left == right and left is not None else "")
        return f"{_known(left)} and {_known(right)}{unit}: {_known(inputs[gap])} apart"

    return tell


def _shared(inputs: _Inputs) -> str:
    shared: Sequence[str] = inputs["shared"]
    if inputs["left"] is None or inputs["right"] is None:
        return f"{_known(inputs['left'])}; {_known(inputs['right'])}"
    others = [word for side in ("left", "right") for word in inputs[side] if word not in shared]
    said = f"{', '.join(shared)} shared" if shared else "none shared"
    return said + (f"; besides {', '.join(dict.fromkeys(others))}" if others else "")


def _habits(inputs: _Inputs) -> str:
    left, right = inputs["left"], inputs["right"]
    return "; ".join(f"{name}: {_both(left[name], right[name])}" for name in left)


def _background(inputs: _Inputs) -> str:
    said = _habits(inputs)
    km = inputs["home_km"]
    return said if km is None else f"{said}; homes {_known(km)} km apart"


def _temperament(inputs: _Inputs) -> str:
    return _both(inputs["left"], inputs["right"])


_TELL: Final[Mapping[str, Callable[[_Inputs], str]]] = {
    "distance_score": _destinations,
    "date_overlap_score": _dates,
    "budget_score": _apart("gap"),
    "interest_score": _shared,
    "age_score": _apart("gap_years", " years"),
    "personality_score": _temperament,
    "language_score": _shared,
    "lifestyle_score": _habits,
    "background_score": _background,
    "group_size_score": lambda inputs: _known(inputs["group_size"], " people"),
    "group_diversity_score": lambda inputs: (
        f"{_many(inputs['n_languages'], 'language', 'languages')}, "
        f"{_many(inputs['n_nationalities'], 'nationality', 'nationalities')}"
    ),
}
