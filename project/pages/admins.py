"""What record pages of all apps are made from: lists with a next step, read-only and huge
tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, reduce
from operator import or_
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_format_dict, unquote
from django.contrib.admin.widgets import AdminSplitDateTime
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import connections, models, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from simple_history.admin import SimpleHistoryAdmin

from project.audit import services as audit
from project.audit.models import Act
from project.pages.consequences import Consequence, Foresee
from project.pages.json_field import StrictJSONField
from project.pages.links import record_url
from project.pages.navigation import label_of
from project.pages.registry import ObjectAction, actions_for, record_panels_for, starts_for
from project.pages.start import F, start_page

M = TypeVar("M", bound=Model)

CONFIRM_SHOWN = 20  # records named before an action is carried out
REASON_LENGTH = 100  # characters of why a record is changed or removed, as its history keeps it
SHOWN_KEY = 80  # characters of a key that no record has
REACH = 10_000  # rows that pages lead to; behind them a filter is the better way
READ_FOR_WORDS = 5_000  # newest rows in which a search looks for words, twice a page
EXACT_BELOW = 50_000  # rows; smaller tables are counted, an estimate would look odd

if TYPE_CHECKING:

    class _ModelAdmin(admin.ModelAdmin[M]):
        pass

    class _Paginator(Paginator[Any]):
        pass

else:
    # Django's own classes take a type parameter only in the eyes of the type checker.
    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        pass

    _Paginator = Paginator


def chosen_action(request: HttpRequest) -> str:
    """Return the name of the action that a list was asked for: its button gives a number."""
    names = request.POST.getlist("action")
    index = request.POST.get("index", "0")
    at = int(index) if index.isascii() and index.isdecimal() and len(index) < 4 else 0
    return names[at] if at < len(names) else ""


class MomentWidget(AdminSplitDateTime):
    """Django's two fields of a moment, each with a name that a screen reader says."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Name the date and the time after their field."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for part, words in zip(context["widget"]["subwidgets"], ("date", "time"), strict=True):
            part["attrs"]["aria-label"] = f"{capfirst(name.replace('_', ' '))}: {words}"
        return context


class AuditedAdmin(_ModelAdmin[M]):
    """Notes in the audit list what is removed, in the transaction in which it goes.

    The one place for it: every admin is made from this one, a test sees to that.
    """

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Note each record that goes, and why; Django asks for it before it deletes, on each
        way."""
        why = request.POST.get("reason", "").strip()[:REASON_LENGTH]
        for gone in queryset:
            title = f"{self.opts.verbose_name} {gone}"
            audit.record(Act.REMOVAL, about=gone, title=title, detail=why)
        return super().log_deletions(request, queryset)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *where: Any
    ) -> HttpResponse | None:
        """Delete chosen records and note it, or neither: for one record Django sees to it."""
        if chosen_action(request) != "delete_selected":
            return super().response_action(request, queryset, *where)
        with transaction.atomic():
            return super().response_action(request, queryset, *where)


class RecordAdmin(AuditedAdmin[M]):
    """A list that names the next step while it is empty, and takes actions from other apps.

    Attributes
    ----------
    empty_title, empty_text : str
        What a list without any record says.
    start_links : sequence of (url name, words, permission)
        Pages that begin something, above the list; the first is the next step of an empty one.
    instant_actions : names of actions that change nothing, or lead to a page that asks itself
    consequences : of every other action, what it will come to; the page that asks says it
    removal_page : name of the page that removes these records, in place of Django's own
    foreign_columns : mapping of names in `list_display` to permissions
        Columns that show rows of another model, for who may see those.
    """

    formfield_overrides = {
        models.JSONField: {"form_class": StrictJSONField},
        models.DateTimeField: {"widget": MomentWidget},
    }
    empty_title: ClassVar[str] = ""
    empty_text: ClassVar[str] = ""
    start_links: ClassVar[Iterable[tuple[str, str, str]]] = ()
    foreign_columns: ClassVar[Mapping[Any, str]] = MappingProxyType({})
    instant_actions: ClassVar[Iterable[str]] = ()
    consequences: ClassVar[Mapping[str, Foresee]] = MappingProxyType({})
    removal_page: ClassVar[str] = ""
    actions_on_bottom = True
    actions_on_top = False

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Leave out what shows rows that this person may not see, and add the menu of each row."""
        columns = [
            column
            for column in super().get_list_display(request)
            if column not in self.foreign_columns
            or request.user.has_perm(self.foreign_columns[column])
        ]
        if self.has_row_menu:
            columns.append(self._row_menu(request))
        return columns

    @property
    def has_row_menu(self) -> bool:
        """Whether the rows of the list have a menu."""
        return bool(self.removal_page) or type(self).row_links is not RecordAdmin.row_links

    def _row_menu(self, request: HttpRequest) -> Callable[[M], SafeString]:
        @admin.display(description="Actions")
        def row_menu(record: M) -> SafeString:
            links = self.menu_links(request, record)
            shown = {"record": record, "links": links}
            return render_to_string("components/row_menu.html", shown) if links else SafeString()

        return row_menu

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add the links that begin something."""
        links = [
            {"url": reverse(f"admin:{name}"), "words": words}
            for name, words, permission in self.start_links
            if request.user.has_perm(permission)
        ]
        starts = starts_for(request, self.model)
        own = [page for page in starts if not page.needs_rows]
        links += [{"url": reverse(f"admin:{page.name}"), "words": page.label} for page in own]
        of_rows = [
            {"url": reverse(f"admin:{page.name}"), "words": page.label}
            for page in starts
            if page.needs_rows
        ]
        context = {
            "title": self.list_title,
            "empty_title": self.empty_title or f"No {self.opts.verbose_name_plural} yet",
            "empty_text": self.empty_text,
            "start_links": links,
            "is_removed": bool(self.removal_page),
            "instant_actions": [
                name for name in self.get_actions(request) if self._is_instant(request, name)
            ],
            **(extra_context or {}),
        }
        answer: Any = super().changelist_view(request, context)
        cl = getattr(answer, "context_data", {}).get("cl")
        if cl is not None:
            asked = cl.has_active_filters or cl.query
            answer.context_data["is_empty"] = not cl.result_count and not asked
            if not answer.context_data["is_empty"]:
                answer.context_data["start_links"] = [*links, *of_rows]
            answer.context_data["show_total"] = asked and cl.show_full_result_count
        shown: HttpResponse = answer
        return shown

    @property
    def list_title(self) -> str:
        """What the navigation calls these records."""
        return label_of(f"{self.opts.app_label}_{self.opts.model_name}_changelist") or str(
            capfirst(self.opts.verbose_name_plural)
        )

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **more: Any
    ) -> Any:
        """Add what leads on from this record, and what the way back is called."""
        record = context.get("original")
        links = self.row_links(request, record) if record is not None else []
        context |= {
            "list_title": self.list_title,
            "record_links": links,
            "is_removed": bool(self.removal_page),
        }
        if record is not None:
            name, what = str(record), capfirst(self.opts.verbose_name)
            context["title"] = getattr(record, "title", "") or name
            context["subtitle"] = what if context["title"] == name else f"{what} {name}"
            # Of what nobody can change here there is nothing to tell.
            context["has_history"] = isinstance(self, SimpleHistoryAdmin) or any(
                (
                    self.has_add_permission(request),
                    self.has_change_permission(request, record),
                    self.has_delete_permission(request, record),
                )
            )
            context["record_panels"] = list(record_panels_for(request, record))
        return super().render_change_form(request, context, *args, **more)

    def row_links(self, request: HttpRequest, record: M) -> list[tuple[str, str]]:
        """Return what leads on from a record, in its row and on its page: words and address."""
        return []

    def menu_links(self, request: HttpRequest, record: M) -> list[tuple[str, str]]:
        """Return what the menu of a row offers."""
        return [*self.row_links(request, record), *self.removal_links(request, record)]

    def removal_links(self, request: HttpRequest, record: M) -> list[tuple[str, str]]:
        """Return what leads to the page that removes a record, for who may."""
        if not self.removal_page or not self.has_delete_permission(request, record):
            return []
        return [("Remove …", f"{reverse(f'admin:{self.removal_page}')}?number={record.pk}")]

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *where: Any
    ) -> HttpResponse | None:
        """Ask before an action that changes something is carried out: how many, which, and what
        comes of it."""
        name = chosen_action(request)
        if name == "delete_selected" and self.removal_page:
            return self.to_removal(*request.POST.getlist(ACTION_CHECKBOX_NAME))
        actions = self.get_actions(request)
        if (
            name not in actions
            or name == "delete_selected"  # Django asks itself
            or "confirmed" in request.POST
            or self._is_instant(request, name)
        ):
            return super().response_action(request, queryset, *where)
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        is_across = request.POST.get("select_across") == "1"
        if not chosen and not is_across:
            return super().response_action(request, queryset, *where)
        # Across pages the filter says which: as many keys as rows would be too long a form.
        records = queryset if is_across else queryset.filter(pk__in=chosen)
        count = records.count()
        title = actions[name][2] % model_format_dict(self.model)
        foresee = self.foresee_of(request, name)
        context = self.page_context(
            request,
            title,
            count=count,
            consequence=foresee(request, records),
            first=records[:CONFIRM_SHOWN],
            more=count - CONFIRM_SHOWN,
            action=name,
            chosen=chosen[:1] if is_across else chosen,
            select_across=int(is_across),
            back_url=request.get_full_path(),
        )
        return TemplateResponse(request, "components/confirm_action.html", context)

    def to_removal(self, *numbers: str) -> HttpResponseRedirect:
        """Go to the page that says what removing these records comes to."""
        asked = urlencode([("number", one) for one in numbers])
        return HttpResponseRedirect(f"{reverse(f'admin:{self.removal_page}')}?{asked}")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the page that removes these records, where they have one."""
        if not self.removal_page:
            return super().delete_view(request, object_id, extra_context)
        record = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, record):
            raise PermissionDenied
        if record is None:
            raise self.not_found(object_id)
        return self.to_removal(str(record.pk))

    def foresee_page(
        self, request: HttpRequest, record: M, consequence: Consequence, *, title: str
    ) -> HttpResponse:
        """Say what comes of something done with one record, and ask for the word that does it."""
        context = self.page_context(
            request, title, consequence=consequence, record=record, back_url=record_url(record)
        )
        return TemplateResponse(request, "components/confirm_action.html", context)

    def action_checkbox(self, obj: M) -> SafeString:
        """Show the box that chooses a row: as Django's, without a template for each row."""
        box = '<input type="checkbox" name="{}" value="{}" class="action-select" aria-label="{}">'
        label = f"Select this object for an action - {obj}"
        return format_html(box, ACTION_CHECKBOX_NAME, obj.pk, label)

    def _is_instant(self, request: HttpRequest, name: str) -> bool:
        if name in self.instant_actions:
            return True
        foreign = self._foreign(request)
        return name in foreign and foreign[name].is_instant

    def foresee_of(self, request: HttpRequest, name: str) -> Foresee:
        """Return what says the consequence of an action; nothing is done that cannot say it."""
        foreign = self._foreign(request)
        foresee = foreign[name].foresee if name in foreign else self.consequences.get(name)
        if foresee is None:
            raise ImproperlyConfigured(f"{self!r} does not say what its action {name} comes to.")
        return foresee

    def _foreign(self, request: HttpRequest) -> dict[str, ObjectAction]:
        return {action.name: action for action in actions_for(request, self.model)}

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Add the actions that other apps registered for these records."""
        actions: dict[str, Any] = {**super().get_actions(request)}
        if self.actions is None:
            return actions
        for action in actions_for(request, self.model):
            actions[action.name] = (_as_list_action(action), action.name, action.label)
        return actions

    def object_actions(self, request: HttpRequest) -> list[ObjectAction]:
        """Return what other apps offer to do with one of these records, for its page."""
        return actions_for(request, self.model)

    def require(self, request: HttpRequest, permission: str) -> None:
        """Let nobody through without this permission."""
        if not request.user.has_perm(permission):
            raise PermissionDenied

    def get_or_denied(self, request: HttpRequest, object_id: str) -> M:
        """Return a record that this person may see; who may not is not told whether it is there."""
        record = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        if record is None:
            raise self.not_found(object_id)
        return record

    def page_context(self, request: HttpRequest, title: str, **more: Any) -> dict[str, Any]:
        """Return what every page of these records gives its template."""
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "list_title": self.list_title,
            "title": title,
            **more,
        }

    @property
    def list_url(self) -> str:
        """The address of the list."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def not_found(self, object_id: str) -> Http404:
        """Return what says that there is no such record."""
        shown = unquote(object_id)
        shown = shown if len(shown) <= SHOWN_KEY else f"{shown[:SHOWN_KEY]} ..."
        return Http404(f"There is no {self.opts.verbose_name} {shown}. Perhaps it was deleted?")

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> NoReturn:
        # Django leads to the front page with a message; a link that leads nowhere should say so.
        raise self.not_found(object_id)

    def to_record(self, record: M) -> HttpResponseRedirect:
        """Go to the page of a record."""
        return HttpResponseRedirect(record_url(record))

    def to_list(self) -> HttpResponseRedirect:
        """Go to the list."""
        return HttpResponseRedirect(self.list_url)

    def start_page(
        self,
        request: HttpRequest,
        *,
        form_class: Callable[..., F],
        title: str,
        intro: str,
        permission: str,
        start: Callable[[HttpRequest, F], bool],
        template: str = "components/start.html",
    ) -> HttpResponse:
        """Ask for the arguments of a job and start it, if this person may; then show the list."""
        self.require(request, permission)
        return start_page(
            request,
            form_class=form_class,
            start=start,
            then=self.list_url,
            context=self.page_context(request, title, intro=intro),
            template=template,
        )

    def confirm_page(
        self,
        request: HttpRequest,
        record: M,
        form: forms.Form,
        *,
        title: str,
        intro: str,
        template: str = "components/confirm.html",
        **more: Any,
    ) -> HttpResponse:
        """Say what is about to happen to a record and ask for the word that does it."""
        context = self.page_context(
            request,
            title,
            intro=intro,
            record=record,
            form=form,
            back_url=record_url(record),
            **more,
        )
        return TemplateResponse(request, template, context)


def signed_in(request: HttpRequest) -> User:
    """Return who is asking; nobody gets to a page of the admin without an account."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def _as_list_action(
    action: ObjectAction,
) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponseBase | None]:
    def run(
        model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponseBase | None:
        return action.run(request, queryset)

    return run


class ReadOnlyAdmin(RecordAdmin[M]):
    """Records that jobs write and nobody edits."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Nobody edits one."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Nobody removes one here, but by the page for it."""
        return bool(self.removal_page) and super().has_delete_permission(request, obj)


class HistoryAdmin(SimpleHistoryAdmin, RecordAdmin[M]):  # type: ignore[misc]  # it has no types
    """Records that people edit, with every earlier state and who left it."""

    history_list_display = ("history_actor",)
    has_row_menu = True

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Ask why a record is changed: its history keeps that."""
        form = super().get_form(request, obj, change=change, **kwargs)
        is_asked_for_its_fields = "fields" in kwargs and kwargs["fields"] is None
        if not change or is_asked_for_its_fields:
            return form
        why = forms.CharField(label="Why", required=False, max_length=REASON_LENGTH)
        return type(form.__name__, (form,), {"why": why})

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Give the record the reason before anything saves it."""
        record = super().save_form(request, form, change)
        if why := form.cleaned_data.get("why"):
            record._change_reason = why
        return record

    def menu_links(self, request: HttpRequest, record: M) -> list[tuple[str, str]]:
        """Add the history, to which the page of a record has a button of its own."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_history"
        history = ("History", reverse(name, args=[record.pk]))
        return [*self.row_links(request, record), history, *self.removal_links(request, record)]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """List the earlier states; what is no key of a record says that there is none."""
        self._require_key(object_id)
        answer: HttpResponse = super().history_view(request, object_id, extra_context)
        return answer

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an earlier state; what is no key of one says that there is none."""
        self._require_key(object_id)
        try:
            models.BigIntegerField().to_python(version_id)
        except ValidationError:
            raise self.not_found(object_id) from None
        record = self.get_object(request, unquote(object_id))
        if not self.has_view_or_change_permission(request, record):
            raise PermissionDenied  # who may not look is not told which states there are
        # The page of the library saves what is posted, whoever may only look at it.
        if request.method == "POST" and not self.may_go_back(request, record):
            raise PermissionDenied
        answer: HttpResponse = super().history_form_view(
            request, object_id, version_id, extra_context
        )
        return answer

    def render_history_view(
        self, request: HttpRequest, template: str, context: Any, **more: Any
    ) -> HttpResponse:
        """Give nobody fields to write in who may not go back to the earlier state."""
        shown = context.get("adminform")
        if shown is not None:
            record = self.get_object(request, unquote(str(context["object_id"])))
            if not self.may_go_back(request, record):
                for field in shown.form.fields.values():
                    field.disabled = True
                context["revert_disabled"] = True
        answer: HttpResponse = super().render_history_view(request, template, context, **more)
        return answer

    def may_go_back(self, request: HttpRequest, record: M | None) -> bool:
        """Whether an earlier state of a record may be saved as the one of now."""
        return self.has_change_permission(request, record) and (
            record is not None or self.has_add_permission(request)
        )

    def _require_key(self, object_id: str) -> None:
        try:
            self.opts.pk.to_python(unquote(object_id))
        except ValidationError:
            raise self.not_found(object_id) from None


class ReachPaginator(_Paginator):
    """Counts no further than REACH, so that neither a count nor an offset reads a whole table."""

    @cached_property
    def count(self) -> int:
        """Rows that the pages lead to."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:REACH].count()


def estimated_count(rows: QuerySet[Any]) -> int:
    """Return the number of rows of the queryset's table: counted when small, else estimated.

    The planner goes by the size of the table's file, so the estimate holds right after a load too.
    """
    table = connections[rows.db].ops.quote_name(rows.model._meta.db_table)
    with connections[rows.db].cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT json) SELECT FROM {table}")
        ((plan,),) = cursor.fetchall()
    estimate: int = plan[0]["Plan"]["Plan Rows"]
    if estimate >= EXACT_BELOW:
        return estimate
    counted: int = rows.model._default_manager.using(rows.db).order_by()[:EXACT_BELOW].count()
    return counted


class LargeTable(RecordAdmin[M]):
    """A list that stays quick at any number of rows: newest first, in the order of an index.

    Filters must be answered by an index or by most rows; none may list distinct values.

    Attributes
    ----------
    exact_fields : fields with an index, in which a search looks for the whole of what it was asked
    word_fields : fields in which it looks for a part of the text, in the newest READ_FOR_WORDS
        rows of those that filters leave
    """

    paginator = ReachPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    ordering: ClassVar[Any] = ("-pk",)
    sortable_by = ()
    change_list_template = "components/large_change_list.html"
    exact_fields: ClassVar[Sequence[str]] = ()
    word_fields: ClassVar[Sequence[str]] = ()

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Return what makes the list show a field to search in."""
        return [*self.exact_fields, *self.word_fields]

    def exactly(self, term: str) -> models.Q | None:
        """Return the condition, answered by indexes, of rows that a whole term names."""
        named = [models.Q(**{name: term}) for name in self.exact_fields]
        return reduce(or_, named) if named else None

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find rows by a name, and by words of the newest ones: nothing reads all of the table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        rows = self.model._default_manager.order_by()
        said = [models.Q(**{f"{name}__icontains": term}) for name in self.word_fields]
        newest = queryset.order_by(*self.ordering)[:READ_FOR_WORDS]  # of what the filters leave
        exactly = self.exactly(term)
        found = [] if exactly is None else [rows.filter(exactly)]
        if said:
            found.append(rows.filter(reduce(or_, said), pk__in=newest.values("pk")))
        if not found:
            return queryset.none(), False
        keys = [some.values("pk") for some in found]
        return queryset.filter(pk__in=keys[0].union(*keys[1:])), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add how many rows there are and how far the pages lead."""
        total = estimated_count(self.get_queryset(request))
        return super().changelist_view(
            request, {"total": total, "reach": REACH, **(extra_context or {})}
        )


class LargeTableAdmin(LargeTable[M], ReadOnlyAdmin[M]):
    """Such a list of records that nobody edits."""

    actions = None
