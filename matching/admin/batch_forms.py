"""Forms that start generations and imports."""

from django import forms
from django.core.validators import RegexValidator

from matching.domain.limits import DEFAULT_EVENTS, DEFAULT_SEED, MAX_EVENTS
from matching.domain.words import MATCH_TYPES_ASKED
from matching.models import FeatureSet, Preset, Source

MATCH_TYPE_WORDS = {
    "solo": "solo: users with users",
    "group": "group: users with groups",
    "both": "both: half of each",
}


class GenerateForm(forms.Form):
    """What a batch of synthetic events is asked to be."""

    count = forms.IntegerField(
        min_value=1, max_value=MAX_EVENTS, initial=DEFAULT_EVENTS, help_text="Events to make."
    )
    match_type = forms.ChoiceField(
        choices=[(name, MATCH_TYPE_WORDS[name]) for name in MATCH_TYPES_ASKED]
    )
    preset = forms.ChoiceField(
        choices=[(word, word) for word in Preset.labels], help_text="How picky people are."
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        initial=DEFAULT_SEED,
        help_text="The same seed and population give the same events.",
    )
    feature_set = forms.ChoiceField(
        choices=FeatureSet.choices, help_text="Formulas of the stored features."
    )
    allow_repeats = forms.BooleanField(
        required=False, help_text="Let ordered pairs come again when all have come."
    )


SAID_SOURCES = [
    ("", "what the log says, else real"),
    *((word, word) for word in Source.labels),
]


class _LogForm(forms.Form):
    source = forms.ChoiceField(
        required=False,
        choices=SAID_SOURCES,
        help_text="Synthetic events never land as real ones.",
    )
    feature_set = forms.ChoiceField(
        choices=FeatureSet.choices,
        initial=FeatureSet.TIERED,
        help_text="Formulas that the logged features were made with.",
    )


class UploadForm(_LogForm):
    """A log to look at."""

    file = forms.FileField(
        help_text="One JSON object a line, packed with gzip or not. Nothing is imported yet."
    )
    field_order = ("file", "source", "feature_set")


class ImportForm(_LogForm):
    """A log that was looked at and is to be imported."""

    sha256 = forms.CharField(
        widget=forms.HiddenInput, validators=[RegexValidator(r"^[0-9a-f]{64}\Z")]
    )
    name = forms.CharField(widget=forms.HiddenInput, max_length=255)
    source = forms.ChoiceField(required=False, widget=forms.HiddenInput, choices=SAID_SOURCES)
    feature_set = forms.ChoiceField(widget=forms.HiddenInput, choices=FeatureSet.choices)
