"""Signs what is kept about files with the newest key, so that an earlier one can go."""

from django.db import transaction

from project.storage.artifacts import sign_anew
from project.storage.failures import ArtifactCorrupt
from project.storage.records import models_with_files


def renew_signatures() -> tuple[int, int, list[str]]:
    """Sign every record of files with the newest key, each in a transaction of its own.

    Stopped anywhere, it goes on from there the next time: what is signed already is left alone.

    Returns
    -------
    How many were signed anew, how many were so already, and the names of those that none of our
    keys has signed.
    """
    renewed = current = 0
    strange = []
    for model in models_with_files():
        manager = model._default_manager
        for pk in manager.order_by("pk").values_list("pk", flat=True):
            with transaction.atomic():
                kept = manager.select_for_update(no_key=True).filter(pk=pk).first()
                if kept is None:
                    continue
                try:
                    files = sign_anew(kept.folder, kept.files)  # type: ignore[attr-defined]
                except ArtifactCorrupt:
                    strange.append(str(kept))
                    continue
                if files is None:
                    current += 1
                    continue
                manager.filter(pk=pk).update(files=files)
                renewed += 1
    return renewed, current, strange
