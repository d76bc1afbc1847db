"""What people say when they start a step."""

from typing import Any

from django import forms

from training.services.overrides import REASON_MIN_LENGTH


class DecideForm(forms.Form):
    """Why a model goes live, or goes back."""

    reason = forms.CharField(required=False, help_text="Kept with the promotion.")


class PromoteForm(DecideForm):
    """With a reason to set a refusal aside, and one for inputs that are suspicious."""

    override_reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only where a gate refuses; kept for ever.",
    )
    confirm_inputs = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}),
        min_length=REASON_MIN_LENGTH,
        help_text="How each input named above is known before the answer; kept for ever.",
    )

    def __init__(self, *args: Any, is_suspicious: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not is_suspicious:
            del self.fields["confirm_inputs"]
