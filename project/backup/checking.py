"""Whether a backup is whole and one: every file of its manifest is there, and nothing else."""

from typing import Final

from project import words
from project.backup import places
from project.backup.failures import BackupBroken
from project.backup.making import Tell, say_nothing
from project.backup.manifest import DUMPS, MANIFEST, SEALED, Manifest
from project.storage.place import Place

NAMED: Final = 20
AGAIN: Final = "Restore another backup; bring what is missing here from a copy of this one."


def check_backup(place: Place, manifest: Manifest, *, tell: Tell = say_nothing) -> None:
    """Read all of a backup and compare it with its manifest.

    Raises
    ------
    BackupBroken : files are missing, have changed, or are of another backup.
    """
    there = places.keys_in(place)
    strange = sorted(key for key in there if key not in manifest.files and key != MANIFEST)
    if strange:
        is_other = any(key.startswith((DUMPS, SEALED)) for key in strange)
        raise BackupBroken(
            f"{place.title} is a mixture of "
            f"{'two backups' if is_other else 'a backup and something else'}: "
            f"{words.tally(len(strange), 'file')} {words.bend(len(strange), 'is', 'are')} not "
            f"of backup {manifest.id}: "
            f"{', '.join(strange[:NAMED])}.",
            remedy="Restore from the folder as it was made; copy each backup to a folder of its "
            "own.",
            details={"strange": strange},
        )
    missing = sorted(key for key in manifest.files if key not in there)
    if missing:
        raise BackupBroken(
            f"{words.tally(len(missing), 'file')} of backup {manifest.id} "
            f"{words.bend(len(missing), 'is', 'are')} missing in {place.title}: "
            f"{', '.join(missing[:NAMED])}.",
            remedy=AGAIN,
            details={"missing": missing},
        )
    changed = []
    for number, (key, file) in enumerate(manifest.files.items()):
        tell("Checking the backup", number, len(manifest.files))
        if there[key] != file.size or places.digest_in(place, key) != file:
            changed.append(key)
    if changed:
        raise BackupBroken(
            f"{words.tally(len(changed), 'file')} of backup {manifest.id} in {place.title} "
            f"{words.bend(len(changed), 'has', 'have')} changed since "
            f"they were written: {', '.join(changed[:NAMED])}.",
            remedy=AGAIN,
            details={"changed": changed},
        )
