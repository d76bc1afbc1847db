"""`services start|stop|status`: the embedded servers, and whether external ones answer."""

import json
from dataclasses import asdict
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, connections
from redis.backoff import NoBackoff
from redis.retry import Retry

from project import embedded, words
from project.command import SeedbedCommand

PATIENCE_SECONDS = 5


class Command(SeedbedCommand):
    """Runs without a database: that is what it is for."""

    help = "Start, stop or describe the embedded PostgreSQL and Valkey."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *, action: str, **options: Any) -> None:
        stopped: list[str] = []
        try:
            if action == "start":
                if settings.USES_EMBEDDED_POSTGRES:
                    embedded.ensure_postgres(settings.VAR)
                if settings.USES_EMBEDDED_VALKEY:
                    embedded.ensure_valkey(settings.VAR)
            elif action == "stop":
                stopped = embedded.stop(settings.VAR)
        except embedded.ServerFailure as failure:
            raise CommandError(str(failure)) from failure

        servers = [asdict(server) | {"external": False} for server in embedded.status(settings.VAR)]
        if not settings.USES_EMBEDDED_POSTGRES:
            servers[0] = _external_postgres()
        if not settings.USES_EMBEDDED_VALKEY:
            servers[1] = _external_valkey()
        if options["json"]:
            self.stdout.write(json.dumps({"stopped": stopped, "servers": servers}))
            return
        for name in stopped:
            self.stdout.write(f"{name} stopped")
        for server in servers:
            self.stdout.write(_sentence(server))


def _sentence(server: dict[str, Any]) -> str:
    if server["external"]:
        state = "answers" if server["running"] else f"does not answer: {server['error']}"
        return f"{server['name']}: external at {server['address']}, {state}"
    size = words.size(server["data_bytes"])
    if not server["running"]:
        return f"{server['name']}: not running, {size} of data"
    return (
        f"{server['name']}: running, version {server['version']}, pid {server['pid']}, "
        f"up {words.duration(round(server['uptime_seconds']))}, {size} of data, at "
        f"{server['socket']}"
    )


def _external_postgres() -> dict[str, Any]:
    # A copy: the probe's impatience is not for the application's own connection.
    probe = connections["default"].copy()
    known = probe.settings_dict
    known["OPTIONS"] = {**known.get("OPTIONS", {}), "connect_timeout": PATIENCE_SECONDS}
    host = known["HOST"] or known["OPTIONS"].get("host", "localhost")
    report = {
        "name": "postgres",
        "external": True,
        "address": f"{host}:{known['PORT'] or embedded.PORT}/{known['NAME']}",
    }
    try:
        with probe.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version')")
            version = cursor.fetchone()[0]
    except DatabaseError as error:
        return report | {"running": False, "version": None, "error": str(error).strip()}
    finally:
        probe.close()
    return report | {"running": True, "version": version, "error": None}


def _external_valkey() -> dict[str, Any]:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_SECONDS,
        socket_connect_timeout=PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    )
    place = client.connection_pool.connection_kwargs
    report = {
        "name": "valkey",
        "external": True,
        # Never the URL: it holds the password.
        "address": place.get("path") or f"{place.get('host')}:{place.get('port')}",
    }
    try:
        told = client.info("server")
    except redis.RedisError as error:
        return report | {"running": False, "version": None, "error": str(error)}
    finally:
        client.close()
    version = told.get("valkey_version", told.get("redis_version"))
    return report | {"running": True, "version": version, "error": None}
