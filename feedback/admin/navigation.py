"""Where feedback stands in the navigation, and how the palette finds its sources."""

from collections.abc import Iterator
from functools import partial

from feedback.admin.reports import PERMISSION
from feedback.domain.door import DOORS
from feedback.models import (
    ABTestResult,
    CollectionRun,
    Explanation,
    FeedbackChange,
    FeedbackSource,
    QualityFeedback,
    RejectedRecord,
)
from project.mappings.registry import add_doors
from project.pages.links import record_url
from project.pages.navigation import FOUND, Entry, Found, State, add_entries, finder

add_doors(*DOORS.values())
_entry = partial(Entry.of, section="Feedback")

add_entries(
    Entry(
        section="Feedback",
        label="What it says",
        url_name="feedback_report",
        url_args=("csat",),
        order=50,
        permissions=(PERMISSION,),
        icon="feedback",
    ),
    _entry(
        FeedbackSource,
        label="Sources",
        order=60,
        icon="sources",
        rows=FeedbackSource.objects.all,
        state=State(
            "bad", "some cannot be read", lambda: FeedbackSource.objects.filter(failures__gt=0)
        ),
    ),
    _entry(CollectionRun, label="Collections", order=61, rows=CollectionRun.objects.all),
    # The tables of rows may hold millions: what they hold is said on the front page.
    _entry(QualityFeedback, label="Ratings", order=62),
    _entry(ABTestResult, label="Test results", order=63),
    _entry(Explanation, label="Explanations", order=64),
    _entry(FeedbackChange, label="Changed records", order=66),
    _entry(
        RejectedRecord,
        label="Rejected rows",
        order=70,
        icon="rejected",
        rows=RejectedRecord.objects.open,
        state=State("warn", "wait for a correction"),
    ),
)


@finder(FeedbackSource)
def find_sources(text: str) -> Iterator[Found]:
    """Find sources by name."""
    for source in FeedbackSource.objects.filter(name__icontains=text).order_by("name")[:FOUND]:
        yield Found(source.name, "source", record_url(source), "sources")
