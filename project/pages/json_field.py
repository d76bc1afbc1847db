"""The field of forms that takes JSON."""

import json
from typing import Any, Final, NoReturn

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

MAX_JSON_BYTES: Final = 1_000_000
MAX_JSON_LEVELS: Final = 64  # nothing here is nested deeper than five
LARGEST_NUMBER: Final = 2**63  # beyond, other readers of the same JSON see another number


class StrictJSONField(forms.JSONField):
    """JSON that every later reader understands too: PostgreSQL, orjson, a browser.

    Refused in words are numbers that JSON does not have (NaN, 1e400) or 64 bits do not hold, NUL
    and half a surrogate pair in texts and names, and what is nested without end. Nothing at all is
    the default of the column; where that is an object, an object is asked for.
    """

    def to_python(self, value: Any) -> Any:
        """Return the value of a text of JSON."""
        if not self.disabled and isinstance(value, str) and value not in self.empty_values:
            _check(value)
        read = super().to_python(value)
        default = self.initial() if callable(self.initial) else self.initial
        if read is None:
            return None if self.required else default
        if isinstance(default, dict) and not isinstance(read, dict):
            raise ValidationError('Expected an object in braces, such as {"name": 1}.')
        return read

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show again what was typed, as it was typed where it is refused."""
        try:
            _check(data or "")
        except ValidationError:
            return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _check(text: str) -> None:
    """Refuse JSON that not everybody understands; what is no JSON at all is for others to say."""
    if len(text) > MAX_JSON_BYTES:
        raise ValidationError(f"Expected at most {MAX_JSON_BYTES:,} characters of JSON.")
    _check_levels(text)
    try:
        read = json.loads(
            text, parse_constant=_refuse, parse_int=_whole_number, parse_float=_number
        )
    except json.JSONDecodeError:
        return
    _check_texts(read)


def _check_levels(text: str) -> None:
    """Refuse what is nested too deeply, before a decoder follows it down."""
    level = 0
    is_text = is_escaped = False
    for each in text:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif each == "\\":
                is_escaped = True
            elif each == '"':
                is_text = False
        elif each == '"':
            is_text = True
        elif each in "[{":
            level += 1
            if level > MAX_JSON_LEVELS:
                raise ValidationError(f"Expected at most {MAX_JSON_LEVELS} levels of JSON.")
        elif each in "]}":
            level -= 1


def _refuse(constant: str) -> NoReturn:
    raise ValidationError(f"{constant} is no number in JSON. Write null for a missing value.")


def _whole_number(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST_NUMBER <= int(digits) < LARGEST_NUMBER:
        raise ValidationError(f"Expected whole numbers of at most 64 bits, got {digits[:40]}.")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise ValidationError(f"Expected numbers below 1.8e308, got {digits[:40]}.")
    return number


def _check_texts(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_texts(name)
            _check_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_texts(inner)
    elif isinstance(value, str):
        if "\0" in value:
            raise ValidationError("Expected text without NUL characters (\\u0000).")
        if any("\ud800" <= each <= "\udfff" for each in value):
            raise ValidationError("Expected text, got half a surrogate pair (\\ud800 to \\udfff).")
