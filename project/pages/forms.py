"""The base of forms that edit a record."""

from typing import TYPE_CHECKING, Generic

from django import forms

from project.pages.admins import M

if TYPE_CHECKING:

    class RecordForm(forms.ModelForm[M]):
        """Edits one record of a model."""

else:

    class RecordForm(forms.ModelForm, Generic[M]):
        """Edits one record of a model."""
