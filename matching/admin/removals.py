"""The pages that take batches and refused rows out."""

from matching.jobs.removals import RemoveBatch, RemoveRejectedEvents, RemoveRejectedProfiles
from project.removal.pages import offer_removals

offer_removals(RemoveBatch, RemoveRejectedEvents, RemoveRejectedProfiles)
