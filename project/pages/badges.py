"""Badges: a word in the tone of what it means. Tone and word stand together; colour alone says
nothing."""

from typing import Final

from django.template.loader import render_to_string
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


def badge(word: object, *, url: str = "") -> SafeString:
    """Show a word in its tone, as a link where there is an address."""
    return render_to_string("components/badge.html", {"word": word, "url": url})
