"""Where the score log is taken away."""

from project.exporting.pages import add_export

add_export(
    "serving.export_scores", "Export the score log", name="scores", of=("serving.alarm",), fixed={}
)
