"""The gate of a dataset: what its rows look like, held to what was expected of them."""

from training.domain.quality.copies import copied_by, excess_repeats
from training.domain.quality.report import QualityFields, QualityReport, report_quality

__all__ = ["QualityFields", "QualityReport", "copied_by", "excess_repeats", "report_quality"]
