"""Refused rows in the admin, whichever door refused them: looked at, corrected one by one and
together, tried again, and downloaded to be mended and imported again."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final, TypeVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from project import words
from project.mappings.refused import SCANNED_ROWS, RefusedRow, set_correction
from project.pages.admins import LargeTable
from project.pages.badges import badge
from project.pages.consequences import Consequence
from project.pages.told import tell_done
from project.removal.pages import AT_ONCE
from project.tabular.mend import (
    KEPT_BYTES,
    LINE,
    WHOLE,
    Came,
    as_csv,
    as_json_lines,
    as_text,
    columns_of,
    from_text,
)

R = TypeVar("R", bound=RefusedRow)

LOOKED_AT: Final = 500  # chosen rows whose columns are offered for a correction
FIELDS: Final = 200  # columns of one row that are edited
ONE_LINE: Final = 80  # characters; a longer value gets a field of several lines


class CorrectionForm(forms.Form):
    """One column, and what it should be in all of the chosen rows."""

    column = forms.ChoiceField()
    where = forms.CharField(
        required=False,
        max_length=1_000,
        label="Only where it says",
        help_text="Empty: in all of them.",
    )
    value = forms.CharField(
        max_length=1_000, label="Should say", help_text="What stands there in a good row."
    )

    def __init__(self, columns: Sequence[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        column: Any = self.fields["column"]
        column.choices = [(name, name) for name in columns]


class RowForm(forms.Form):
    """A refused row, a field for each of its columns; the one at fault is marked."""

    def __init__(self, row: RefusedRow, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        came = row.came
        self.before: dict[str, Any] = (
            columns_of(came)
            if isinstance(came, dict)
            else dict.fromkeys(row.columns)
            if row.columns
            else {WHOLE: came}
        )
        at_fault = row.column
        if at_fault and at_fault not in self.before and WHOLE not in self.before:
            self.before[at_fault] = None  # it is absent, which is what is wrong
        for name in row.correction:
            self.before.setdefault(name, None)
        first = [at_fault] if at_fault in self.before else []
        self.before = {
            name: self.before[name] for name in list(dict.fromkeys([*first, *self.before]))[:FIELDS]
        }
        for number, (name, value) in enumerate(self.before.items()):
            shown = as_text(row.correction.get(name, value))
            is_long = name == WHOLE or len(shown) > ONE_LINE or "\n" in shown
            field = forms.CharField(
                label=name or "The whole line",
                required=name == WHOLE,
                strip=False,
                max_length=KEPT_BYTES,
                initial=shown,
                widget=forms.Textarea({"rows": 6}) if is_long else forms.TextInput,
            )
            if name in row.correction:
                field.help_text = f"Came as: {as_text(value)[:200] or 'nothing'}"
            if name in (at_fault, WHOLE):
                field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": "refused-why"}
            self.fields[f"value_{number}"] = field
        self.names = dict(zip(self.fields, self.before, strict=True))

    def rows(self, at_fault: str) -> list[dict[str, Any]]:
        """What the page shows of each column."""
        return [
            {"field": self[key], "is_at_fault": name in (at_fault, WHOLE)}
            for key, name in self.names.items()
        ]

    @property
    def correction(self) -> dict[str, Any]:
        """The columns that should say something else than what came."""
        said = {self.names[key]: text for key, text in self.cleaned_data.items()}
        return {
            name: from_text(text, self.before[name])
            for name, text in said.items()
            if text != as_text(self.before[name])
        }


class OpenFilter(admin.SimpleListFilter):
    """Rows that are still refused, or have landed since."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "refused"), ("resolved", "landed since")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "open":
            return queryset.open()
        return queryset.filter(resolved_at__isnull=False) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Rows refused for one of the reasons there are."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        reasons = model_admin.model.objects.reasons()
        return [(reason, reason.replace("_", " ")) for reason in reasons]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(reason=self.value()) if self.value() else queryset


def foresee_retry(request: HttpRequest, rows: Any) -> Consequence:
    """Say how many rows are tried again, and what becomes of them."""
    waiting = rows.open()
    count = waiting.count()
    if not count:
        return Consequence(0, ("None of these rows is refused any more.",))
    mended = waiting.exclude(correction={}).count()
    told = [
        (
            f"{words.counted(count, 'row is', 'rows are')} tried again, {words.number(mended)} of "
            "them with a correction. What lands becomes part of the data; what does not stays here "
            "with its reason."
        )
    ]
    landed = rows.count() - count
    if landed:
        told.append(f"{words.counted(landed, 'row has', 'rows have')} landed already.")
    return Consequence(count, tuple(told))


class RefusedRowAdmin(LargeTable[R]):
    """The list and the page of refused rows. A door says how its rows are tried again.

    Attributes
    ----------
    retries_by_job : whether a worker does that, and not the page.
    retry_permission : the right to try rows again; to correct them is to change them.
    file_order : in which a file has the rows.
    one_file : columns that all rows of a file have in common, and what is said where they do not.
    came_with : the column that names the import of a row.
    rows_page : name of the page that removes all refused rows of an import.
    """

    retry_permission: ClassVar[str]
    retries_by_job: ClassVar[bool] = False
    file_order: ClassVar[Sequence[str]]
    one_file: ClassVar[tuple[Sequence[str], str]]
    came_with: ClassVar[str]
    rows_page: ClassVar[str]
    actions: Any = ("correct", "retry", "download_to_mend", "remove_rows")
    instant_actions: ClassVar[Any] = ("correct", "download_to_mend", "remove_rows")
    consequences: ClassVar[Any] = {"retry": foresee_retry}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: R | None = None) -> bool:
        """Nobody removes one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: R | None = None) -> bool:
        """Correct them."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Try them again."""
        return request.user.has_perm(self.retry_permission)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Remove all of an import."""
        return request.user.has_perm(f"{self.opts.app_label}.delete_{self.opts.model_name}")

    @admin.display(description="state")
    def state_word(self, row: R) -> Any:
        if row.resolved_at is not None:
            return badge("landed")
        return badge("corrected" if row.correction else "refused")

    # --- What a door says -------------------------------------------------------------------------

    @abstractmethod
    def try_again(self, request: HttpRequest, rows: QuerySet[Any]) -> str:
        """Try open rows again, and tell it; returns where to look then, empty for the list."""

    def tell_tried(self, request: HttpRequest, tried: int, landed: int) -> None:
        """Say what became of rows that were tried again."""
        if not tried:
            messages.error(request, "None of these rows is refused any more.")
        elif landed < tried:
            said = f"{landed:,} of {tried:,} rows landed; the others say why not."
            messages.warning(request, said)
        else:
            said = f"All {tried:,} rows landed." if tried > 1 else "The row landed."
            tell_done(request, landed, said)

    @abstractmethod
    def where(self, row: R) -> Any:
        """Say where a row stands: its line and its file."""

    def back_to(self, row: R) -> str:
        """Where one goes from the page of a row."""
        return self.list_url

    def is_csv(self, rows: QuerySet[Any]) -> bool:
        """Whether rows came as cells of text; objects are always downloaded as objects."""
        return True

    # --- One by one -------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a row with the column at fault marked; who may corrects it there."""
        row = self.get_or_denied(request, object_id)
        is_allowed = self.has_change_permission(request, row)
        if request.method == "POST" and not is_allowed:
            raise PermissionDenied
        may_change = is_allowed and row.resolved_at is None
        form = RowForm(row, request.POST if request.method == "POST" and may_change else None)
        if form.is_bound and form.is_valid():
            set_correction(row, form.correction)
            if "again" in request.POST and self.has_retry_permission(request):
                chosen = self.model._default_manager.filter(pk=row.pk)
                return HttpResponseRedirect(self.try_again(request, chosen) or self.back_to(row))
            messages.success(request, f"The correction of {row} is kept; try it again.")
            return HttpResponseRedirect(request.path)
        context = self.page_context(
            request,
            "Refused row" if row.resolved_at is None else "Landed since",
            row=row,
            where=self.where(row),
            back_url=self.back_to(row),
            form=form,
            shown=form.rows(row.column),
            text="" if isinstance(row.came, dict) or not row.columns else row.came,
            may_change=may_change,
            may_retry=may_change and self.has_retry_permission(request),
            retries_by_job=self.retries_by_job,
            **(extra_context or {}),
        )
        return TemplateResponse(request, "mappings/refused_row.html", context)

    # --- Together ---------------------------------------------------------------------------------

    @admin.action(description="Correct one column of all", permissions=["change"])
    def correct(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Ask for a column and what it should be, and keep that as the rows' correction."""
        rows = queryset.open()
        looked_at = list(rows[:LOOKED_AT])
        self.model.look_up(looked_at)
        columns: dict[str, None] = {}
        for row in looked_at:
            came = row.came
            columns.update(dict.fromkeys(columns_of(came) if isinstance(came, dict) else ()))
            columns.update(dict.fromkeys([row.column] if row.column else ()))
        is_given = "column" in request.POST
        form = CorrectionForm(sorted(columns), request.POST if is_given else None)
        if not is_given and looked_at:
            form.initial["column"] = looked_at[0].column
        if is_given and form.is_valid():
            said = form.cleaned_data
            where = said["where"] or None
            changed = rows.correct(said["column"], said["value"], where=where)
            rows_said = words.counted(changed, "row has", "rows have")
            again = "; try them again" if changed else ", so nothing was changed"
            tell_done(request, changed, f"{rows_said} a corrected {said['column']}{again}.")
            return None
        is_across = request.POST.get("select_across") == "1"
        chosen = request.POST.getlist("_selected_action")
        context = self.page_context(
            request,
            "Correct refused rows",
            form=form,
            count=rows.count(),
            action="correct",
            chosen=chosen[:1] if is_across else chosen,
            select_across=int(is_across),
            back_url=request.get_full_path(),
        )
        return TemplateResponse(request, "mappings/correct.html", context)

    @admin.action(description="Try again, with corrections", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Try the chosen rows again."""
        where = self.try_again(request, queryset.open())
        return HttpResponseRedirect(where) if where else None

    @admin.action(description="Download to mend and import again", permissions=["view"])
    def download_to_mend(self, request: HttpRequest, queryset: Any) -> StreamingHttpResponse | None:
        """Give the chosen rows as the kind of file that they came in, each with its reason."""
        rows = queryset.open().order_by(*self.file_order)
        in_common, problem = self.one_file
        if len(set(rows.order_by().values_list(*in_common).distinct()[:2])) > 1:
            messages.error(request, problem)
            return None
        columns: dict[str, None] = {}
        is_nested = False
        for row in rows.iterator(chunk_size=SCANNED_ROWS):
            came = _shown(row)
            columns.update(dict.fromkeys(came if isinstance(came, dict) else [LINE]))
            is_nested |= isinstance(came, dict) and any(
                isinstance(value, dict | list) for value in came.values()
            )

        def mended_rows() -> Iterator[tuple[Came, str]]:
            for row in rows.iterator(chunk_size=SCANNED_ROWS):
                yield _shown(row), row.said

        is_csv = not is_nested and self.is_csv(rows)
        named, kind = ("csv", "text/csv") if is_csv else ("jsonl", "application/x-ndjson")
        lines = as_csv(mended_rows(), list(columns)) if is_csv else as_json_lines(mended_rows())
        return StreamingHttpResponse(
            lines,
            content_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="refused-rows.{named}"'},
        )

    @admin.action(description="Remove all of the same import …", permissions=["remove"])
    def remove_rows(self, request: HttpRequest, queryset: Any) -> HttpResponse:
        """Lead to what removing all refused rows of these imports comes to."""
        imports = queryset.order_by(self.came_with).values_list(self.came_with, flat=True)
        asked = urlencode([("number", number) for number in imports.distinct()[:AT_ONCE]])
        return HttpResponseRedirect(f"{reverse(f'admin:{self.rows_page}')}?{asked}")


def _shown(row: RefusedRow) -> Came:
    """A row as it is downloaded: with its correction, else as it came."""
    mended = row.mended
    return row.came if mended is None else mended
