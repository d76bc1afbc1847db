"""The pages that take batches, refused rows and people out."""

from matching.jobs.erasing import RemovePerson
from matching.jobs.removals import (
    RemoveBatch,
    RemoveImport,
    RemoveRejectedEvents,
    RemoveRejectedProfiles,
)
from project.removal.pages import offer_removals

offer_removals(
    RemovePerson, RemoveBatch, RemoveImport, RemoveRejectedEvents, RemoveRejectedProfiles
)
