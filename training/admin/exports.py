"""Where a part of a dataset is taken away."""

from project.exporting.pages import add_export

add_export(
    "training.export_dataset",
    "Export a dataset",
    name="dataset",
    of=("training.dataset",),
    fixed={},
)
