"""How import mappings are taken out."""

from project.jobs.models import Schedule
from project.mappings.models import ImportMapping
from project.removal.contract import Counts, Plan, Removal, RemoveRecord
from project.removal.registry import removal


@removal
class RemoveMapping(Removal[ImportMapping]):
    """How tables of one header are read; those that were read keep a copy of it."""

    thing = "mapping"
    noun = "an import mapping"
    called = "name"
    listed = "Mappings"
    model = "mappings.importmapping"
    kind = "mappings.remove_mapping"
    permission = "mappings.delete_importmapping"

    def named(self, name: str) -> ImportMapping | None:
        return ImportMapping.objects.filter(name=name).first()

    def plan(self, record: ImportMapping, asked: RemoveRecord) -> Plan:
        stale = [
            f"Schedule {schedule.name} names it and will be refused."
            for schedule in Schedule.objects.filter(arguments__mapping=record.name)
        ]
        others = ImportMapping.objects.confirmed().filter(
            door=record.door, signature=record.signature
        )
        left = others.exclude(pk=record.pk).order_by("-version").first()
        if record.is_confirmed and left is None:
            stale.append(
                "The next table with these columns is proposed anew and waits for a person."
            )
        elif record.is_confirmed and left is not None and left.version < record.version:
            stale.append(f"The next table with these columns is read by version {left.version}.")
        return Plan(
            title=f"Mapping {record.pk}",
            goes={"mapping": 1, "earlier state": record.history.count()},
            stale=tuple(stale),
            stays=("What was read by it: imports keep the mapping that they were read by.",),
            digests={"columns": record.signature},
        )

    def finish(self, record: ImportMapping, asked: RemoveRecord) -> Counts:
        # The history has the rows of the preview too.
        earlier = record.history.count()
        record.skip_history_when_saving = True  # type: ignore[attr-defined]
        record.delete()
        record.history.model.objects.filter(id=asked.number).delete()
        return {"mapping": 1, "earlier state": earlier}
