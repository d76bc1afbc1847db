"""What the collected feedback says: CSAT, baselines, calibration, experiments."""

from collections.abc import Mapping, Sequence

from feedback.domain.csat import check_edges
from feedback.domain.experiments import UnusablePlan, check_planned
from feedback.domain.words import PLANNED_SESSIONS, QUALITY_EDGES, REPORT_KINDS
from feedback.queries.reports.baselines import BaselinesReport, baselines_report
from feedback.queries.reports.calibration import CalibrationReport, calibration_report
from feedback.queries.reports.csat import CsatReport, csat_report
from feedback.queries.reports.experiments import ExperimentsReport, experiments_report
from feedback.queries.sources import Scope
from project.refusal import Refusal

__all__ = [
    "BaselinesReport",
    "CalibrationReport",
    "CsatReport",
    "ExperimentsReport",
    "Report",
    "baselines_report",
    "build_report",
    "calibration_report",
    "csat_report",
    "experiments_report",
    "read_edges",
    "read_planned",
]

Report = CsatReport | BaselinesReport | CalibrationReport | ExperimentsReport


def read_edges(text: str) -> tuple[float, ...]:
    """Read the edges of quality ranges from text such as "0, .5, .7, 1"; refuses unusable ones."""
    try:
        return check_edges([float(part) for part in text.replace(",", " ").split()])
    except ValueError as error:
        raise Refusal(
            f"The edges {text!r} cannot be used. {error}",
            remedy='Give rising numbers from 0 to 1, such as "0,.5,.7,.85,1".',
        ) from error


def read_planned(sessions: int) -> int:
    """Read the sessions that an experiment was planned with; refuses unusable numbers."""
    try:
        return check_planned(sessions)
    except UnusablePlan as error:
        raise Refusal(
            str(error),
            remedy="Give the sessions of the smaller arm that were planned before it began.",
        ) from error


def build_report(
    kind: str,
    scope: Scope,
    *,
    edges: Sequence[float] = QUALITY_EDGES,
    levels: Mapping[str, str] | None = None,
    planned_sessions: int = PLANNED_SESSIONS,
) -> Report:
    """Build one kind of report, JSON-serialisable; a figure that does not exist is None."""
    if kind == "csat":
        return csat_report(scope, edges=edges)
    if kind == "baselines":
        return baselines_report(scope, levels=levels)
    if kind == "calibration":
        return calibration_report(scope)
    if kind == "experiments":
        return experiments_report(scope, planned_sessions=planned_sessions)
    raise Refusal(
        f"There is no report {kind!r}.", remedy=f"Expected one of {', '.join(REPORT_KINDS)}."
    )
