"""Where people, groups, trips, events and their refused rows are taken away."""

from project.exporting.pages import add_export

_PEOPLE = "matching.export_people"
_EVENTS = "matching.export_events"

for _what, _label, _model in (
    ("people", "Export people", "matching.seeduser"),
    ("groups", "Export groups", "matching.travelgroup"),
    ("sessions", "Export trips", "matching.travelsession"),
):
    add_export(_PEOPLE, _label, name=_what, of=(_model,), fixed={"what": _what, "of_import": None})
add_export(
    _PEOPLE,
    "Export refused rows of a file",
    name="refused-people",
    of=("matching.refusedprofile",),
    fixed={"what": "refused"},
)
add_export(
    _EVENTS,
    "Export events",
    name="events",
    of=("matching.eventbatch", "matching.matchevent"),
    fixed={"what": "events"},
)
add_export(
    _EVENTS,
    "Export rejected lines",
    name="refused-events",
    of=("matching.rejectedevent",),
    fixed={"what": "refused"},
)
