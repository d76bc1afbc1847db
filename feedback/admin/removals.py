"""The pages that take runs, sources and refused rows of feedback out."""

from feedback.jobs.removals import RemoveRejectedFeedback, RemoveRun, RemoveSource
from project.removal.pages import offer_removals

offer_removals(RemoveRun, RemoveSource, RemoveRejectedFeedback)
