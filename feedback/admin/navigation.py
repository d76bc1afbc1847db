"""Where feedback stands in the navigation."""

from collections.abc import Iterator

from django.http import HttpRequest

from feedback.models import CollectionRun, FeedbackSource, RejectedRecord
from project.pages.links import record_url
from project.pages.navigation import Entry, Found, State, add_entries, finder

FOUND = 5

add_entries(
    Entry(
        section="Feedback",
        label="What it says",
        url_name="feedback_report",
        url_args=("csat",),
        order=50,
        permissions=("feedback.report_feedback",),
        icon="feedback",
    ),
    Entry(
        section="Feedback",
        label="Sources",
        url_name="feedback_feedbacksource_changelist",
        order=60,
        permissions=("feedback.view_feedbacksource", "feedback.change_feedbacksource"),
        icon="sources",
        rows=FeedbackSource.objects.all,
        state=State(
            "bad", "some cannot be read", lambda: FeedbackSource.objects.filter(failures__gt=0)
        ),
    ),
    Entry(
        section="Feedback",
        label="Collections",
        url_name="feedback_collectionrun_changelist",
        order=61,
        permissions=("feedback.view_collectionrun",),
        rows=CollectionRun.objects.all,
    ),
    Entry(
        section="Feedback",
        label="Ratings",
        url_name="feedback_qualityfeedback_changelist",
        order=62,
        permissions=("feedback.view_qualityfeedback",),
    ),
    Entry(
        section="Feedback",
        label="Test results",
        url_name="feedback_abtestresult_changelist",
        order=63,
        permissions=("feedback.view_abtestresult",),
    ),
    Entry(
        section="Feedback",
        label="Explanations",
        url_name="feedback_explanation_changelist",
        order=64,
        permissions=("feedback.view_explanation",),
    ),
    Entry(
        section="Feedback",
        label="Rejected rows",
        url_name="feedback_rejectedrecord_changelist",
        order=70,
        permissions=("feedback.view_rejectedrecord", "feedback.change_rejectedrecord"),
        icon="rejected",
        rows=RejectedRecord.objects.open,
        state=State("warn", "wait for a correction", RejectedRecord.objects.open),
    ),
)


@finder("feedback.view_feedbacksource")
def find_sources(request: HttpRequest, text: str) -> Iterator[Found]:
    """Find sources by name."""
    for source in FeedbackSource.objects.filter(name__icontains=text).order_by("name")[:FOUND]:
        yield Found(source.name, "source", record_url(source), "sources")
