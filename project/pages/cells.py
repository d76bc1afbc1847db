"""Cells of lists: what it is on the first line, what tells it from others on the second."""

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def two_lines(title: object, below: object, *, is_id: bool = False) -> SafeString:
    """Show a title and, quieter below it, an id or what else tells it apart."""
    shown = {"title": title, "below": below, "is_id": is_id}
    return render_to_string("components/two_lines.html", shown)
