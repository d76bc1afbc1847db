"""Badges: a word in the tone of what it means. Tone and word stand together; colour alone says
nothing."""

from typing import Final

from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

TONES: Final[dict[str, frozenset[str]]] = {
    "good": frozenset(
        {
            "pass",
            "succeeded",
            "complete",
            "champion",
            "live",
            "there",
            "ok",
            "up",
            "enabled",
            "best",
            "better",
            "calibrated",
            "enough",
            "difference found",
            "confirmed",
            "landed",
        }
    ),
    "bad": frozenset(
        {
            "refuse",
            "refused",
            "failed",
            "down",
            "orphaned",
            "corrupt",
            "rejected",
            "worse",
            "off",
            "lost",
            "unreadable",
            "out of step",
            "no attributes",
            "gone",
            "changed",
            "cannot serve",
            "differs",
            "locked out",
            "at fault",
        }
    ),
    "warn": frozenset(
        {
            "warn",
            "warning",
            "cancelled",
            "expired",
            "stale",
            "incomplete",
            "abandoned",
            "interrupted",
            "nobody",
            "too few",
            "waits",
            "failed to sign in",
            "set a refusal aside",
            "removed",
            "corrected",
            "in part",
            "without effect",
            "look at it",
        }
    ),
    "busy": frozenset({"running", "building", "queued", "candidate"}),
    "synthetic": frozenset({"synthetic"}),
}


def tone_of(word: str) -> str:
    """Return the tone of a verdict, state, stage or origin; `plain` for any other word."""
    return next((tone for tone, words in TONES.items() if word.lower() in words), "plain")


# Both stand in each row of a list, and are put together without a template for its speed.


def icon(name: str) -> SafeString:
    """Show an icon of seedbed/icons.svg; words stand beside it, or name its button."""
    drawn = '<svg class="sb-icon" aria-hidden="true"><use href="{}#{}"/></svg>'
    return format_html(drawn, static("seedbed/icons.svg"), name)


def badge(word: object, *, url: str = "", tone: str = "") -> SafeString:
    """Show a word in its tone, or in one that is named, as a link where there is an address."""
    text = str(word or "").strip()
    tone = tone or tone_of(text)
    sign = icon(tone) if tone in ("good", "warn", "bad") else ""
    shown = format_html('<span class="sb-badge sb-{}">{}{}</span>', tone, sign, text or "none")
    return format_html('<a href="{}">{}</a>', url, shown) if url else shown
