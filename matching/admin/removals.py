"""The pages that take batches and refused rows out."""

from matching.jobs.removals import (
    RemoveBatch,
    RemoveImport,
    RemoveRejectedEvents,
    RemoveRejectedProfiles,
)
from project.removal.pages import offer_removals

offer_removals(RemoveBatch, RemoveImport, RemoveRejectedEvents, RemoveRejectedProfiles)
