"""What people say when they start a step."""

from typing import Any

from django import forms

from training.queries.promotions import Shown
from training.services.overrides import REASON_MIN_LENGTH


class DecideForm(forms.Form):
    """Why a model goes live, or goes back, and what was live when that was asked.

    The first model that goes live replaces nothing, so that its reason may stay open.
    """

    live = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    returns = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    reason = forms.CharField(required=False, help_text="Kept with the promotion.")

    def __init__(self, *args: Any, shown: Shown, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["live"].initial = shown.live
        self.fields["returns"].initial = shown.returns
        if shown.live:
            reason = self.fields["reason"]
            reason.required = True
            reason.help_text = f"Why version {shown.live} is replaced; kept with the promotion."

    @property
    def decision(self) -> dict[str, Any]:
        """What a service is asked: what was said, and what was shown with the page."""
        said = dict(self.cleaned_data)
        return {"shown": Shown(said.pop("live"), said.pop("returns")), **said}


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
