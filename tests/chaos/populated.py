"""Fills the installation of SEEDBED_VAR with people who travel, and a schedule of every minute."""

import os

import django
from django.core.management import call_command

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    from project.bootstrap import start_servers

    start_servers()
    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import connection

    # On a small disk, the log of the database is kept short.
    with connection.cursor() as cursor:
        for setting in ("max_wal_size = '256MB'", "min_wal_size = '64MB'"):
            cursor.execute(f"ALTER SYSTEM SET {setting}")
        cursor.execute("SELECT pg_reload_conf()")
    call_command("seed_users", count=200, now=True)
    call_command("create_sessions", now=True)
    from project.jobs.models import Schedule
    from tests.factories import make_admin

    Schedule.objects.create(
        name="each minute", kind="matching.check_sessions", interval_seconds=60, owner=make_admin()
    )
