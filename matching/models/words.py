"""Words that somebody taught: what they mean beside our own vocabulary."""

from django.db import models
from simple_history.models import HistoricalRecords

from matching.domain.lexicon.folding import KINDS
from project.acting import ActedHistory, current_user

WORD_LENGTH = 60  # characters, as the widest column of a profile


class Word(models.Model):
    """One word of profiles and what it means.

    Each row of its history is a version of the vocabulary: what was computed under another one is
    not mixed with, or scored by, what is computed now.
    """

    kind = models.CharField(max_length=12, choices=[(kind, kind.capitalize()) for kind in KINDS])
    word = models.CharField(
        max_length=WORD_LENGTH,
        help_text="As profiles write it; case, accents, hyphens, brackets and plural make no "
        "difference.",
    )
    meaning = models.CharField(
        max_length=WORD_LENGTH,
        blank=True,
        help_text="The known word that it means; empty where it is a word of its own.",
    )

    history = HistoricalRecords(bases=[ActedHistory], get_user=current_user)

    class Meta:
        ordering = ["kind", "word"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "word"],
                name="word_once_of_a_kind",
                violation_error_message="This word is taught already; change what it means there.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.word}"
