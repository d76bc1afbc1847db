"""How batches and refused rows are taken out."""

from functools import partial

from matching.models import EventBatch, ProfileImport
from matching.queries import removals as plans
from matching.services import removals as service
from project.acting import current_actor
from project.jobs.contract import Run
from project.removal.contract import Counts, Plan, Removal, RemoveRecord
from project.removal.registry import removal
from project.removal.work import in_chunks


@removal
class RemoveBatch(Removal[EventBatch]):
    """A batch, its events, its refused lines and what is kept of changes of its events."""

    thing = "batch"
    noun = "a batch of events"
    listed = "Batches"
    model = "matching.eventbatch"
    kind = "matching.remove_batch"
    permission = "matching.delete_eventbatch"

    def plan(self, record: EventBatch, asked: RemoveRecord) -> Plan:
        return plans.plan_of_batch(record)

    def close(self, record: EventBatch, asked: RemoveRecord) -> None:
        service.close_batch(record)

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        return {
            noun: in_chunks(run, noun, partial(remove, number))
            for noun, remove in (
                ("match event", service.remove_some_events),
                ("rejected line", service.remove_some_rejected),
                ("kept change", service.remove_some_changes),
            )
        }

    def finish(self, record: EventBatch, asked: RemoveRecord) -> Counts:
        service.remove_batch(record)
        return {"batch": 1}


@removal
class RemoveRejectedEvents(Removal[EventBatch]):
    """The refused lines of one import; its events stay."""

    thing = "rejected-events"
    noun = "the rejected lines of a batch"
    record = "batch"
    listed = "Batches"
    model = "matching.eventbatch"
    kind = "matching.remove_rejectedevents"
    permission = "matching.delete_rejectedevent"

    def plan(self, record: EventBatch, asked: RemoveRecord) -> Plan:
        return plans.plan_of_rejected(record)

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        noun = "rejected line"
        return {noun: in_chunks(run, noun, lambda: service.remove_some_rejected(number))}

    def finish(self, record: EventBatch, asked: RemoveRecord) -> Counts:
        return {}


@removal
class RemoveRejectedProfiles(Removal[ProfileImport]):
    """The refused rows of one file of people, groups or trips; what landed stays."""

    thing = "rejected-profiles"
    noun = "the rejected rows of a file of people, groups or trips"
    record = "import"
    listed = "Imported files"
    model = "matching.profileimport"
    kind = "matching.remove_rejectedprofiles"
    permission = "matching.delete_refusedprofile"

    def plan(self, record: ProfileImport, asked: RemoveRecord) -> Plan:
        return plans.plan_of_profiles(record)

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        noun = "rejected row"
        return {noun: in_chunks(run, noun, lambda: service.remove_some_profiles(number))}

    def finish(self, record: ProfileImport, asked: RemoveRecord) -> Counts:
        return {}


@removal
class RemoveImport(Removal[ProfileImport]):
    """What one file of people, groups or trips has made, and its refused rows."""

    thing = "import"
    noun = "an import of people, groups or trips"
    listed = "Imported files"
    model = "matching.profileimport"
    kind = "matching.remove_import"
    permission = "matching.delete_seeduser"

    def plan(self, record: ProfileImport, asked: RemoveRecord) -> Plan:
        return plans.plan_of_import(record)

    def close(self, record: ProfileImport, asked: RemoveRecord) -> None:
        service.require_rights(record, current_actor())

    def clear(self, run: Run, number: int, asked: RemoveRecord) -> Counts:
        noun = plans.NOUNS[ProfileImport.objects.values_list("holds", flat=True).get(pk=number)]
        return {
            noun: in_chunks(run, noun, partial(service.remove_some_made, number)),
            "rejected row": in_chunks(
                run, "rejected row", partial(service.remove_some_profiles, number)
            ),
        }

    def finish(self, record: ProfileImport, asked: RemoveRecord) -> Counts:
        service.remove_import(record)
        return {"import": 1}
