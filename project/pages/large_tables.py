"""Admin lists of tables with millions of rows: no full counts, no deep offsets, one order."""

from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

REACH = 10_000  # rows that pages lead to; behind them a filter is the better way
EXACT_BELOW = 50_000  # rows; smaller tables are counted, an estimate would look odd


class ReachPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than REACH, so that neither a count nor an offset reads a whole table."""

    @cached_property
    def count(self) -> int:
        """Rows that the pages lead to."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:REACH].count()


def estimated_count(rows: QuerySet[Any]) -> int:
    """Return the number of rows of the queryset's table: counted when small, else the planner's estimate.

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


class LargeTableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A read-only list by primary key, newest first, that stays quick at any number of rows.

    Filters must be answered by an index or by most rows; none may list distinct values.
    """

    paginator = ReachPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0
    ordering = ("-pk",)
    sortable_by = ()
    actions = None
    change_list_template = "components/large_change_list.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        total = estimated_count(self.get_queryset(request))
        return super().changelist_view(
            request, {**(extra_context or {}), "total": total, "reach": REACH}
        )
