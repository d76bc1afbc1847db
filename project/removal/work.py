"""The work of every removal: look again, close, clear, finish; then there is a receipt."""

from collections.abc import Callable
from typing import Any, Final

from project import words
from project.acting import Actor
from project.audit import services as audit
from project.audit.models import Act
from project.jobs.contract import Run
from project.refusal import Refusal
from project.removal.contract import Counts, Plan, Removal, RemoveRecord, totals
from project.removal.models import Receipt

KEPT: Final = ("title", "kind", "version", "digests", "touches", "stale", "stays")  # of the plan
STAGES: Final = ("Look at what stands on it", "Remove what belongs to it", "Write the receipt")


def plan_of(how: Removal[Any], asked: RemoveRecord, *, locked: bool = False) -> tuple[Any, Plan]:
    """Return the record and what its removal comes to now.

    Raises
    ------
    Refusal : there is no such record.
    """
    record = how.find(asked.number, locked=locked)
    if record is None:
        raise gone(how, asked.number)
    return record, how.plan(record, asked)


def gone(how: Removal[Any], number: int) -> Refusal:
    """Say that there is no record of a number, and whether it was removed."""
    receipt = Receipt.objects.filter(thing=how.thing, number=number).first()
    if receipt is None:
        return Refusal(f"There is no {how.word} {number}.", remedy=where_numbers_are(how))
    return Refusal(
        f"{receipt.title} was removed already, by {receipt.actor}.",
        remedy=f"There is nothing to do; receipt {receipt.pk} says what went.",
        details={"receipt": receipt.pk},
    )


def where_numbers_are(how: Removal[Any]) -> str:
    """Name the list of the admin in which a record of this kind is found."""
    more = f"; its {how.called} will do too" if how.called else ""
    return f"Its number stands in the list “{how.listed}” and in the address of its page{more}."


def blocked(plan: Plan) -> Refusal:
    """Say why something cannot be removed now."""
    return Refusal(
        f"{plan.title} is not removed: {' '.join(plan.blocked)}",
        remedy=plan.remedy,
        details={"plan": {name: said for name, said in plan.as_dict().items() if name != "leads"}},
    )


def remove(how: Removal[Any], run: Run, asked: RemoveRecord) -> dict[str, Any]:
    """Remove a record; a run goes on after the last step that an earlier one finished."""
    run.plan(*STAGES)
    with run.stage(STAGES[0]):
        planned = run.once("plan", lambda: _close(how, asked))
    with run.stage(STAGES[1]):
        cleared = {} if run.result_of("receipt") else how.clear(run, asked.number, asked)
    with run.stage(STAGES[2]):
        return run.once("receipt", lambda: _finish(how, run, asked, planned, cleared))


def _close(how: Removal[Any], asked: RemoveRecord) -> dict[str, Any]:
    record, plan = plan_of(how, asked, locked=True)
    if plan.blocked:
        raise blocked(plan)
    how.close(record, asked)
    return plan.as_dict()


def _finish(
    how: Removal[Any], run: Run, asked: RemoveRecord, planned: dict[str, Any], cleared: Counts
) -> dict[str, Any]:
    record = how.find(asked.number, locked=True)
    if record is None:  # another job was faster
        raise gone(how, asked.number)
    counts = totals([cleared, how.finish(record, asked)])
    actor: Actor = run.by
    receipt = Receipt.objects.create(
        thing=how.thing,
        number=asked.number,
        counts=counts,
        why=asked.why,
        actor=actor.name,
        user=actor.user,
        job=run.job_id,
        asked_at=run.asked_at,
        **{name: planned[name] for name in KEPT},
    )
    audit.record(
        Act.REMOVAL, model=how.model, pk=asked.number, title=receipt.title, detail=asked.why
    )
    return {
        "thing": how.thing,
        "number": asked.number,
        "title": receipt.title,
        "counts": counts,
        "receipt": receipt.pk,
        "stale": planned["stale"],
    }


def in_chunks(run: Run, noun: str, remove_some: Callable[[], int]) -> int:
    """Remove what there is some rows at a time, each time in a step of the run.

    Parameters
    ----------
    noun : what goes, in the singular; it names the steps
    remove_some : removes at most so many rows and returns how many went, 0 at the end
    """
    done = number = 0
    while went := run.once(noun, lambda: {"rows": remove_some()}, number)["rows"]:
        done, number = done + int(went), number + 1
        run.report(done, None, f"{words.counted(done, noun)} removed")
    return done
