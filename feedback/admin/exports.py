"""Where feedback and its refused rows are taken away."""

from feedback.models import Table
from feedback.models.records import MODELS
from project.exporting.pages import add_export

_KIND = "feedback.export_feedback"

for _table, _model in MODELS.items():
    add_export(
        _KIND,
        f"Export {Table(_table).label}",
        name=_table.replace("_", "-"),
        of=(_model._meta.label_lower,),
        fixed={"table": _table, "what": "records"},
    )
add_export(
    _KIND,
    "Export refused feedback",
    name="refused-feedback",
    of=("feedback.rejectedrecord",),
    fixed={"what": "refused"},
)
