"""`manage.py import_groups`: land a file of groups of travellers."""

from matching.management.travel_file import TravelFileCommand


class Command(TravelFileCommand):
    help = (
        "Import a file of groups of travellers as CSV, JSON, JSON Lines, xlsx or parquet, packed "
        "or not: whole, or not at all. The same file twice changes nothing."
    )
    kind = "matching.import_groups"
