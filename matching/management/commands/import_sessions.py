"""`manage.py import_sessions`: land a file of trips."""

from matching.management.travel_file import TravelFileCommand


class Command(TravelFileCommand):
    help = (
        "Import a file of trips as CSV, JSON, JSON Lines, xlsx or parquet, packed "
        "or not: whole, or not at all. The same file twice changes nothing."
    )
    kind = "matching.import_sessions"
