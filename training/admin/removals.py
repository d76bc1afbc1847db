"""The pages that take datasets and models out."""

from project.removal.pages import offer_removals
from training.jobs.removals import RemoveDataset, RemoveModel

offer_removals(RemoveDataset, RemoveModel)
