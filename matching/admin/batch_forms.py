"""Forms that start generations and imports."""

from django import forms
from django.core.validators import RegexValidator

from matching.domain.limits import DEFAULT_EVENTS, DEFAULT_SEED, MAX_EVENTS
from matching.domain.words import MATCH_TYPES_ASKED, FeatureSet, Preset
from project.origin import ROW_ORIGINS

FEATURE_SETS = [(one.value, one.value) for one in FeatureSet]


class GenerateForm(forms.Form):
    """What a batch of synthetic events is asked to be."""

    count = forms.IntegerField(
        min_value=1, max_value=MAX_EVENTS, initial=DEFAULT_EVENTS, help_text="Events to make."
    )
    match_type = forms.ChoiceField(
        choices=[(word, f"{word}: {meaning}") for word, meaning in MATCH_TYPES_ASKED.items()]
    )
    preset = forms.ChoiceField(
        choices=[(word.value, word.value) for word in Preset], help_text="How picky people are."
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**63 - 1,
        initial=DEFAULT_SEED,
        help_text="The same seed and population give the same events.",
    )
    feature_set = forms.ChoiceField(
        choices=FEATURE_SETS, help_text="Formulas of the stored features."
    )
    allow_repeats = forms.BooleanField(
        required=False, help_text="Let ordered pairs come again when all have come."
    )


SAID_ORIGINS = [
    ("", "what the log says, else real"),
    *((origin.value, origin.value) for origin in ROW_ORIGINS),
]


class _LogForm(forms.Form):
    origin = forms.ChoiceField(
        required=False,
        choices=SAID_ORIGINS,
        help_text="Synthetic events never land as real ones.",
    )
    feature_set = forms.ChoiceField(
        choices=FEATURE_SETS,
        initial=FeatureSet.TIERED.value,
        help_text="Formulas that the logged features were made with.",
    )


class UploadForm(_LogForm):
    """A log to look at."""

    file = forms.FileField(
        help_text="One JSON object a line, packed with gzip or not. Nothing is imported yet."
    )
    field_order = ("file", "origin", "feature_set")


class ImportForm(_LogForm):
    """A log that was looked at and is to be imported."""

    sha256 = forms.CharField(
        widget=forms.HiddenInput, validators=[RegexValidator(r"^[0-9a-f]{64}\Z")]
    )
    name = forms.CharField(widget=forms.HiddenInput, max_length=255)
    origin = forms.ChoiceField(required=False, widget=forms.HiddenInput, choices=SAID_ORIGINS)
    feature_set = forms.ChoiceField(widget=forms.HiddenInput, choices=FEATURE_SETS)
