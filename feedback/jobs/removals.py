"""How runs, sources and refused rows of feedback are taken out."""

from functools import partial
from typing import Any

from feedback.models import CollectionRun, FeedbackSource
from feedback.models.records import MODELS
from feedback.queries import removals as plans
from feedback.services import removals as service
from project import words
from project.jobs.contract import Run
from project.removal.contract import Counts, Plan, Removal, RemoveRecord, totals
from project.removal.registry import removal
from project.removal.work import in_chunks


def _clear_rejected(run: Run, **whose: int) -> Counts:
    noun = "rejected row"
    return {noun: in_chunks(run, noun, partial(service.remove_some_rejected, **whose))}


def _clear_rows(run: Run, *tables: str, **whose: int) -> Counts:
    parts: list[Counts] = []
    total = len(tables) * service.PARTS
    for table in tables:
        for part in range(service.PARTS):
            work = partial(service.remove_part, table, part, **whose)
            parts.append(run.once(f"{table} rows", work, part))
            run.report(
                len(parts), total, f"{words.tally(totals(parts)['record'], 'record')} removed"
            )
    return totals(parts)


@removal
class RemoveRun(Removal[CollectionRun]):
    """What one reading of a table landed and refused."""

    thing = "run"
    noun = "a collection run"
    listed = "Collections"
    model = "feedback.collectionrun"
    kind = "feedback.remove_run"
    permission = "feedback.delete_collectionrun"

    def plan(self, record: CollectionRun, asked: RemoveRecord) -> Plan:
        return plans.plan_of_run(record)

    def close(self, record: CollectionRun, asked: RemoveRecord) -> None:
        service.close_runs(CollectionRun.objects.filter(pk=record.pk))

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        table = CollectionRun.objects.values_list("table", flat=True).get(pk=number)
        rows = _clear_rows(run, table, run_id=number) if table else {}
        return {**rows, **_clear_rejected(run, run_id=number)}

    def finish(self, record: CollectionRun, asked: RemoveRecord) -> Counts:
        return service.remove_run(record)


@removal
class RemoveSource(Removal[FeedbackSource]):
    """A source with all that was ever read from it."""

    thing = "source"
    noun = "a source of feedback with its rows"
    called = "name"
    listed = "Sources"
    model = "feedback.feedbacksource"
    kind = "feedback.remove_source"
    permission = "feedback.delete_feedbacksource"

    def named(self, name: str) -> FeedbackSource | None:
        return FeedbackSource.objects.filter(name=name).first()

    def plan(self, record: FeedbackSource, asked: RemoveRecord) -> Plan:
        return plans.plan_of_source(record)

    def close(self, record: FeedbackSource, asked: RemoveRecord) -> None:
        these: Any = FeedbackSource.objects.filter(pk=record.pk)
        these.update(is_enabled=False)
        service.close_runs(CollectionRun.objects.filter(source=record.pk))

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        rows = _clear_rows(run, *MODELS, source_id=number)
        return {**rows, **_clear_rejected(run, source_id=number)}

    def finish(self, record: FeedbackSource, asked: RemoveRecord) -> Counts:
        return service.remove_source(record)


@removal
class RemoveRejectedFeedback(Removal[CollectionRun]):
    """The refused rows of one run; those that landed stay."""

    thing = "rejected-feedback"
    noun = "the rejected rows of a collection run"
    record = "run"
    listed = "Collections"
    model = "feedback.collectionrun"
    kind = "feedback.remove_rejected"
    permission = "feedback.delete_rejectedrecord"

    def plan(self, record: CollectionRun, asked: RemoveRecord) -> Plan:
        return plans.plan_of_rejected(record)

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        return _clear_rejected(run, run_id=number)

    def finish(self, record: CollectionRun, asked: RemoveRecord) -> Counts:
        return {}
