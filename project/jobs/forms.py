"""The forms of the admin, made from what jobs ask; the contract alone says what is valid."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django import forms

from project.acting import Actor
from project.jobs.contract import JobKind, UnusableArguments, read_arguments
from project.jobs.questions import Question, Shape
from project.pages.admins import MomentWidget
from project.refusal import Refusal
from project.storage.failures import ArtifactUnwritable
from project.tabular.packed import Unpackable
from project.uploads.services import find_upload, keep_upload

FILE = "file"  # the field of a form for the file that a job takes


class PairsField(forms.CharField):
    """Pairs of words, one a line: `known=theirs`."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{known}={theirs}" for known, theirs in value.items())
        return value

    def to_python(self, value: Any) -> Any:
        pairs = [line.partition("=") for line in (value or "").splitlines() if line.strip()]
        if not all(known.strip() and theirs.strip() for known, _, theirs in pairs):
            raise forms.ValidationError("Expected lines such as quality_rating=stars.")
        return {known.strip(): theirs.strip() for known, _, theirs in pairs}


class UploadField(forms.FileField):
    """A file for a job; without a new one the upload that is `given` is used again."""

    def __init__(self, *, given: str = "", **told: Any) -> None:
        super().__init__(**told)
        self.given = given


class KeptField(forms.Field):
    """What was chosen elsewhere: goes along hidden, as JSON."""

    widget = forms.HiddenInput

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value)

    def to_python(self, value: Any) -> Any:
        if value in self.empty_values:
            return None
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            raise forms.ValidationError("Expected what this page wrote. Open it again.") from None


class ArgumentsForm(forms.Form):
    """Asks what a job of `kind` asks; `arguments` holds the answers once it is valid."""

    kind: JobKind
    given: Mapping[str, Any] = {}

    @property
    def arguments(self) -> dict[str, Any]:
        """The answers, as `enqueue` takes them."""
        return answers_of(self.kind, self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            self._keep_files(cleaned)
        if not self.errors:
            check_answers(self, self.kind)
        return cleaned

    def _keep_files(self, cleaned: dict[str, Any]) -> None:
        for name, field in self.fields.items():
            if not isinstance(field, UploadField):
                continue
            kept = field.given
            if file := cleaned.get(name):
                try:
                    kept = str(keep_upload(file, file.name).pk)
                except (Unpackable, Refusal, ArtifactUnwritable) as error:
                    self.add_error(name, str(error))
                except OSError as error:
                    self.add_error(name, f"The file could not be kept: {error.strerror}.")
            cleaned[name] = kept


def check_answers(form: Any, kind: JobKind) -> None:
    """Add what the contract says of the answers to the fields they are about."""
    try:
        read_arguments(kind, answers_of(kind, form.cleaned_data))
    except UnusableArguments as error:
        uploads = {question.name for question in kind.questions if question.asks_upload}
        for name, text in error.by_name.items():
            field = FILE if name in uploads else name
            form.add_error(field if field in form.fields else None, text)


def answers_of(kind: JobKind, cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments among cleaned data, without what was left open."""
    answers: dict[str, Any] = {}
    for question in kind.questions:
        value = cleaned.get(FILE if question.asks_upload else question.name)
        if question.shape is Shape.MOMENT and value is not None:
            value = value.isoformat()
        if question.asks_upload and question.is_list and isinstance(value, str):
            value = [value]
        if question.is_list and question.ask.records and value is not None:
            value = [int(one) if str(one).isdecimal() else one for one in value]
        if value is None or (value == "" and question.default is None):
            continue
        answers[question.name] = value
    return answers


def form_for(
    kind: JobKind,
    *,
    by: Actor,
    given: Mapping[str, Any] | None = None,
    leave_out: Iterable[str] = (),
) -> type[ArgumentsForm]:
    """Return a form that asks somebody what a job of a kind asks, filled with what is given."""
    fields = fields_for(kind, by=by, given=given, leave_out=leave_out)
    return type("ArgumentsForm", (ArgumentsForm,), {**fields, "kind": kind})


def fields_for(
    kind: JobKind,
    *,
    by: Actor,
    given: Mapping[str, Any] | None = None,
    leave_out: Iterable[str] = (),
) -> dict[str, forms.Field]:
    """Return a form field for each question that this person may answer.

    What only programs give goes along hidden.
    """
    given, without = given or {}, set(leave_out)
    fields: dict[str, forms.Field] = {}
    for question in kind.questions:
        if question.name in without:
            continue
        if question.ask.permission and not by.may(question.ask.permission):
            continue
        initial = given.get(question.name, question.default)
        if question.asks_upload:
            fields[FILE] = _upload_field(question, given.get(question.name), by)
        elif question.ask.is_asked:
            fields[question.name] = _field(question, initial)
        elif question.name in given:
            fields[question.name] = KeptField(initial=initial, required=False)
    return fields


def _field(question: Question, initial: Any) -> forms.Field:
    numbers = (Shape.INTEGER, Shape.NUMBER)
    # Empty stands for the default where that is empty; a number with another one has to be said.
    is_number = question.shape in numbers and not question.is_list
    is_required = question.is_required or (is_number and question.default is not None)
    told: dict[str, Any] = {
        "label": question.label,
        "initial": initial,
        "required": is_required,
        "help_text": _help(question),
    }
    if question.shape is Shape.FLAG:
        return forms.BooleanField(**{**told, "required": False})
    if question.shape is Shape.PAIRS:
        return PairsField(**told)
    if question.is_list:
        return forms.MultipleChoiceField(choices=lambda: _offered(question, initial), **told)
    if question.shape is Shape.CHOICE:
        return forms.ChoiceField(choices=lambda: _choices(question), **told)
    if question.shape in numbers:
        told |= {"min_value": question.minimum, "max_value": question.maximum}
        return (forms.IntegerField if question.shape is Shape.INTEGER else forms.FloatField)(**told)
    if question.shape is Shape.MOMENT:
        return forms.SplitDateTimeField(widget=MomentWidget, **told)
    if question.ask.is_long:
        told["widget"] = forms.Textarea(attrs={"rows": 2})
    return forms.CharField(max_length=question.max_length, **told)


def _upload_field(question: Question, given: Any, by: Actor) -> forms.Field:
    text = question.help
    wanted = given[0] if isinstance(given, list) and len(given) == 1 else given
    try:
        upload = find_upload(UUID(wanted), by) if isinstance(wanted, str) else None
    except ValueError:  # no id at all
        upload = None
    if upload is not None:
        text += f" Without a new one {upload.name} is taken again."
    return UploadField(
        given="" if upload is None else str(upload.pk),
        required=upload is None,
        label=question.label,
        help_text=text,
    )


def _help(question: Question) -> str:
    bounds = ""
    if question.shape in (Shape.INTEGER, Shape.NUMBER) and not question.ask.records:
        bounds = question.expected_one
        bounds = f" {bounds[:1].upper()}{bounds[1:]}."
    return f"{question.help}{bounds}"


def _choices(question: Question) -> list[tuple[str, str]]:
    titles, are_meanings = question.titles, bool(question.ask.meanings)
    return [
        (
            word,
            f"{word}: {titles[word]}"
            if word in titles and word and are_meanings
            else titles.get(word, word),
        )
        for word in question.choices
    ]


def _offered(question: Question, initial: Any) -> list[tuple[str, str]]:
    offered = [] if question.ask.suggestions is None else list(question.ask.suggestions())
    known = {value for value, _ in offered}
    return [*offered, *((str(one), str(one)) for one in initial or [] if str(one) not in known)]
