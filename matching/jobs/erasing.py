"""How a person is erased: the removal, and what matching does about it."""

import secrets
from typing import Annotated, Literal

from pydantic import Field

from matching.models import EventBatch, SeedUser
from matching.queries import erasing as queries
from project.jobs.contract import Run, title_of
from project.jobs.questions import Ask
from project.refusal import Refusal
from project.removal import erasing as kit
from project.removal import exports, uploads
from project.removal.contract import Counts, Plan, Removal, RemoveRecord, leads_to, standing_on
from project.removal.erasing import Erasing, counts_rows, erases, finds_texts, names_people
from project.removal.registry import removal
from project.removal.sweep import count_mentions, leaves_out, rows_go

__all__ = ["exports", "uploads"]  # what declare parts of their own

KIND = queries.ERASE_KIND
STAYS = (
    "Backups that were made before: a restore of one erases the person again.",
    "Where feedback and logs came from: erase it there too, or a changed row comes in again.",
    "Logs: those of Seedbed name no people; a proxy before it keeps addresses, with ids in some.",
)

ALSO = (
    "Uploads that mention the person go. Files of datasets, texts beside models and other records "
    "that do are written anew. All of them are read for it: the receipt counts what was found, and "
    "the files that were replaced."
)
WAIT = "Wait for the job, or stop it; then remove the person."

rows_go("matching.rejectedevent", "rejected row")
rows_go("matching.refusedprofile", "rejected row")
# Their own part below looks through them, batch by batch.
leaves_out("matching.matchevent", "matching.seeduser", "matching.word", "matching.historicalword")

names_people(queries.known_ids)
finds_texts(queries.texts_of)
counts_rows(queries.count_events)
counts_rows(count_mentions)


class ErasePerson(RemoveRecord):
    """Who goes, why, and whether the features of the person's events stay."""

    features: Annotated[
        Literal["keep", "drop"],
        Field(description="Of the person's events: keep the features, or drop them too."),
        Ask(
            meanings={
                "keep": "They stay, under a number that names nobody",
                "drop": "They go; the outcomes stay",
            }
        ),
    ] = "keep"


@removal
class RemovePerson(Removal[SeedUser]):
    """A person, wherever this installation speaks of it."""

    thing = "person"
    noun = "a person"
    called = "id"
    listed = "People"
    itself = "profile"
    better_reason = "Say it without: the number of a request, such as “Request 12”, will do."
    model = "matching.seeduser"
    kind = KIND
    permission = "matching.delete_seeduser"
    arguments = ErasePerson

    def named(self, name: str) -> SeedUser | None:
        return queries.person_called(name)

    def plan(self, record: SeedUser, asked: RemoveRecord) -> Plan:
        erasing = _erasing(record, asked)
        standing = standing_on(record)
        untold = erasing.mentions.untold
        writers = queries.running_writers()
        blocked = [
            f"Job {job.short_id} ({title_of(job.kind)}) runs, and may write of the person yet."
            for job in writers
        ]
        stays = [*STAYS, *standing.stays]
        if untold:
            stays.append(
                "Texts in which somebody typed the id by hand: it cannot be told from other words "
                "and numbers there, and is looked for where ids stand."
            )
        return Plan(
            title=f"Person {record.pk}",
            goes=kit.count_rows(erasing),
            also=(ALSO,),
            stale=standing.stale,
            stays=tuple(stays),
            blocked=(*blocked, *standing.blocked),
            remedy=" ".join(filter(None, [WAIT if blocked else "", standing.remedy])),
            leads=(*leads_to(writers), *standing.leads),
        )

    def objection(self, record: SeedUser, why: str) -> str:
        erasing = _before(record) or _found(record, is_kept=True)
        if not queries.tells_of(why, erasing):
            return ""
        return (
            "The reason has an id, a name or part of a name of the person, of today or of before; "
            "it stands on the receipt."
        )

    def close(self, record: SeedUser, asked: RemoveRecord) -> None:
        if objection := self.objection(record, asked.why):
            raise Refusal(objection, remedy=self.better_reason)

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        def sealed() -> dict[str, str]:
            record = SeedUser.objects.get(pk=number)
            return {"sealed": kit.seal(_erasing(record, asked))}

        given = run.once(kit.SEALED, sealed)
        return kit.erase_everywhere(run, kit.unseal(number, given["sealed"]))

    def finish(self, record: SeedUser, asked: RemoveRecord) -> Counts:
        from matching.services.erasing import remove_row

        remove_row(record)
        kit.forget_sealed(KIND, record.pk)
        return {}


def _erasing(record: SeedUser, asked: RemoveRecord) -> Erasing:
    """Return what to look for: what a run that was ended before has found, else what is there."""
    is_kept = getattr(asked, "features", "keep") == "keep"
    return _before(record) or _found(record, is_kept=is_kept)


def _before(record: SeedUser) -> Erasing | None:
    """Return what an ended run has looked for, of a person whose profile is empty already."""
    is_empty = record.external_id == kit.label_of(record.pk)
    return kit.sealed_before(KIND, record.pk) if is_empty else None


def _found(record: SeedUser, *, is_kept: bool) -> Erasing:
    # Drawn, so that nobody can tell from it whose it was.
    stand_in = -1 - secrets.randbits(62)
    names = tuple(queries.names_of(record))
    numbers = tuple(queries.numbers_of(record, names))
    called = tuple(queries.display_names(record))
    asked = Erasing(
        *(record.pk, stand_in, names, numbers),
        called=called,
        keeps_features=is_kept,
        record=record,
    )
    return kit.with_texts(asked)


@erases("Profile, history, trips and groups", order=10)
def erase_profile(run: Run, erasing: Erasing) -> Counts:
    """Empty the profile, and remove what hangs on it; live copies follow."""
    from matching.services import erasing as service

    groups = run.once("groups", lambda: {"names": service.groups_of(erasing.number)})["names"]
    counts = run.once("profile", lambda: service.empty_profile(erasing))
    copies = run.once("copies", lambda: {"live session": service.withdraw_copies(erasing, groups)})
    return {**counts, **copies}


@erases("Events", order=20)
def erase_events(run: Run, erasing: Erasing) -> Counts:
    """Put a number that names nobody into the person's events, batch by batch."""
    from matching.services import erasing as service

    rewritten = 0
    for batch in EventBatch.objects.order_by("pk").defer("population"):
        done = run.once(
            "events",
            lambda batch=batch: {"rows": service.rewrite_events(batch, erasing)},  # type: ignore[misc]
            batch.pk,
        )
        rewritten += int(done["rows"])
    return {"rewritten event": rewritten}


@erases("Populations of batches", order=30)
def erase_populations(run: Run, erasing: Erasing) -> Counts:
    """Take the person out of what batches were drawn from."""
    from matching.services import erasing as service

    rewritten = 0
    for batch in queries.batches_with_people():
        done = run.once(
            "population",
            lambda pk=batch.pk: {"rows": service.rewrite_population(pk, erasing)},  # type: ignore[misc]
            batch.pk,
        )
        rewritten += int(done["rows"])
    return {"rewritten population": rewritten}
