"""Settings, read from the environment; every variable stands in .env.example."""

import os
import secrets
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from project import embedded, keys
from project.store_url import UnusableStoreUrl, read_store_url
from project.variables import Variables

_MOST_DAYS = 36_500
_MOST_SECONDS = 10 * 366 * 24 * 3600
BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")
env = Variables()

# Read by OpenMP when it is loaded. By default a thread that waits for others spins on its core, and
# where something else needs that core, gradient boosting takes ten times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ENVIRONMENT = env.choice("SEEDBED_ENV", "development", ("development", "production"))
IS_PRODUCTION = ENVIRONMENT == "production"

# Everything that Seedbed writes itself: embedded servers, artefacts, uploads.
VAR = Path(env.text("SEEDBED_VAR", str(BASE_DIR / "var"))).resolve()
ARTIFACT_ROOT = VAR / "artifacts"
MEDIA_ROOT = VAR / "uploads"
CACHE_ROOT = VAR / "cache"  # copies of files of a bucket
METRICS_ROOT = VAR / "metrics"  # counters of each process, which /metrics adds up

# Where files that rows name are kept, for every host the same; keys of a bucket are read from the
# environment by its client alone.
STORE_URL = env.text("SEEDBED_STORE_URL")
try:
    read_store_url(STORE_URL, ARTIFACT_ROOT)
except UnusableStoreUrl as error:
    raise ImproperlyConfigured(f"SEEDBED_STORE_URL: {error}") from None
# Where scheduled backups go; a folder or a bucket of its own, outside the store.
BACKUP_TO = env.text("SEEDBED_BACKUP_TO")
try:
    read_store_url(BACKUP_TO, ARTIFACT_ROOT)
except UnusableStoreUrl as error:
    raise ImproperlyConfigured(f"SEEDBED_BACKUP_TO: {error}") from None
CACHE_BYTES = env.whole(
    "SEEDBED_CACHE_BYTES", 4 * 1024**3, least=0, unit="bytes"
)  # of those copies, at most


def _secret(name: str) -> str:
    """Return a secret: from the environment, or in development one made for this folder."""
    value = env.text(name)
    if IS_PRODUCTION and (fault := keys.weakness(value)):
        raise ImproperlyConfigured(
            f"{name} {fault}; production needs at least {keys.MIN_LENGTH} random characters. "
            f"{keys.MAKE_ONE}"
        )
    if value and keys.EXAMPLE not in value:
        return value
    return _development_secret(VAR / "secrets" / name.lower())


def _days(name: str) -> int:
    """Return for how many days something is kept; 0 for ever."""
    return env.whole(name, 0, least=0, most=_MOST_DAYS, unit="days; 0 for ever")


def _earlier_keys(name: str) -> list[str]:
    """Return keys that are still accepted for reading; what is no key at all is none of them."""
    values = env.texts(name)
    for value in values:
        # Earlier editions took keys that repeat themselves: they are needed to get away from them.
        if IS_PRODUCTION and (len(value) < keys.MIN_LENGTH or keys.EXAMPLE in value):
            raise ImproperlyConfigured(
                f"{name} has an entry that was never a key of production: {keys.weakness(value)}. "
                "Remove it: whoever knows it could write what is then believed."
            )
    return values


def _development_secret(path: Path) -> str:
    """Return the random secret of this folder, made where it has none: no value is shared between
    installations. A disk that is full or only read keeps nobody from reading it."""
    with suppress(OSError):
        if kept := path.read_text():
            return kept
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        if path.exists() and not path.stat().st_size:
            path.unlink()  # left by a full disk: nothing was ever signed with it
        with suppress(FileExistsError):
            # A link fails when another process was first, and never shows a half-written file.
            path.hardlink_to(fresh)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret {path} is missing and cannot be written: {error.strerror}. Make room on "
            "the disk, let this user write there, name another folder in SEEDBED_VAR, or set "
            f"{path.name.upper()}."
        ) from error
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    return path.read_text()


SECRET_KEY = _secret("SEEDBED_SECRET_KEY")
ARTIFACT_KEY = _secret("SEEDBED_ARTIFACT_KEY")  # signs model files
ARTIFACT_KEY_FALLBACKS = _earlier_keys("SEEDBED_ARTIFACT_KEY_FALLBACKS")  # read only
FIELD_KEY = _secret("SEEDBED_FIELD_KEY")  # encrypts the passwords of feedback sources
FIELD_KEY_FALLBACKS = _earlier_keys("SEEDBED_FIELD_KEY_FALLBACKS")  # read only
_EQUAL = keys.equal_keys(
    {
        "SEEDBED_SECRET_KEY": SECRET_KEY,
        "SEEDBED_ARTIFACT_KEY": ARTIFACT_KEY,
        "SEEDBED_FIELD_KEY": FIELD_KEY,
    },
    {
        "SEEDBED_ARTIFACT_KEY_FALLBACKS": ARTIFACT_KEY_FALLBACKS,
        "SEEDBED_FIELD_KEY_FALLBACKS": FIELD_KEY_FALLBACKS,
    },
)
if IS_PRODUCTION and _EQUAL:
    raise ImproperlyConfigured(
        f"{_EQUAL} hold the same key; whoever learns one would have the other. Give each its own, "
        "put the old one into SEEDBED_ARTIFACT_KEY_FALLBACKS and SEEDBED_FIELD_KEY_FALLBACKS, and "
        f"run `manage.py rotate_keys`. {keys.MAKE_ONE}"
    )

DEBUG = env.flag("SEEDBED_DEBUG", default=False)
if DEBUG and IS_PRODUCTION:
    raise ImproperlyConfigured("SEEDBED_DEBUG is on; production shows no tracebacks to visitors.")
ALLOWED_HOSTS = env.texts(
    "SEEDBED_ALLOWED_HOSTS", () if IS_PRODUCTION else ("localhost", "127.0.0.1", "[::1]")
)
if IS_PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "SEEDBED_ALLOWED_HOSTS is missing; production needs the names it is served under, "
        "separated by commas."
    )
# The address of the proxy that speaks HTTPS for `serve`; the only one whose word is taken for it.
TRUSTED_PROXY = env.ip("SEEDBED_TRUSTED_PROXY", "127.0.0.1")
CSRF_TRUSTED_ORIGINS = env.origins("SEEDBED_CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "project.apps.SeedbedAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "axes",
    "simple_history",
    "django_rq",
    "project",
    "project.storage",
    "project.audit",
    "project.accounts",
    "project.uploads",
    "project.exports",
    "project.jobs",
    "project.mappings",
    "project.removal",
    "matching",
    "feedback",
    "training",
    "serving",
    "overview",
]

MIDDLEWARE = [
    "serving.api.metrics.count_requests",
    "project.patience.end_the_silent",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.middleware.content_security_policy",
    "project.pages.errors.limit_requests",
    "project.problems.methods_in_words",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.middleware.idle_sessions",
    "project.middleware.name_actor",
    "project.accounts.middleware.require_own_password",
    "project.audit.middleware.trace",
    "simple_history.middleware.HistoryRequestMiddleware",
    "project.pages.errors.Poison",
    "axes.middleware.AxesMiddleware",  # last: it answers instead of the page of the form
]

# Of what programs ask many times a second, which has neither sessions nor forms nor an audit line:
# the others take a sixth of a request by ids, a quarter of one by features. A test holds their
# answers to those of all of them.
LEAN_PATHS = ("/api/v1/match/",)
LEAN_MIDDLEWARE = [
    "serving.api.metrics.count_requests",
    "project.patience.end_the_silent",
    "django.middleware.security.SecurityMiddleware",
    "project.middleware.content_security_policy",
    "project.pages.errors.limit_requests",
    "project.problems.methods_in_words",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "project.pages.errors.Poison",
]
# What is answered from memory has threads of its own.
QUICK_PATHS = ("/api/v1/match/score", "/api/v1/match/rank")

ROOT_URLCONF = "project.urls"
CSRF_FAILURE_VIEW = "project.pages.errors.csrf_failure"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Servers: the embedded ones unless the environment names others.
USES_EMBEDDED_POSTGRES = not env.database("DATABASE_URL")
USES_EMBEDDED_VALKEY = not env.cache("REDIS_URL")
DATABASES: dict[str, dict[str, Any]] = {
    "default": (
        {"ENGINE": "django.db.backends.postgresql", **embedded.postgres_location(VAR)}
        if USES_EMBEDDED_POSTGRES
        else environ.Env.db_url_config(env.database("DATABASE_URL"))
    )
}
DATABASES["default"]["CONN_MAX_AGE"] = 60  # seconds
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# A server that cannot be reached, or was cut off, is found out in seconds; what the address of a
# server of one's own says comes first.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
    **DATABASES["default"].get("OPTIONS", {}),
}
REDIS_URL = embedded.valkey_location(VAR) if USES_EMBEDDED_VALKEY else env.cache("REDIS_URL")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

RQ_QUEUES = {
    "default": {
        # A hung server must not hang a page that starts a job. Workers wait longer on their own.
        "URL": f"{REDIS_URL}{'&' if '?' in REDIS_URL else '?'}socket_timeout=5",
        "DEFAULT_TIMEOUT": -1,  # the lease of the ledger ends a run, not a timer
        "SERIALIZER": "rq.serializers.JSONSerializer",
    },
}
RQ = {
    "COMMIT_MODE": "auto",  # the ledger itself waits for the commit
    "JOB_CLASS": "project.jobs.bell.Bell",  # nothing that a queued job names is run
}
RQ_SHOW_ADMIN_LINK = False  # its pages need inline script; the ledger has a page of its own

# The job ledger.
JOB_LEASE_SECONDS = env.number(
    "SEEDBED_JOB_LEASE_SECONDS", 30.0, least=0.1, most=86_400, unit="seconds"
)
# A web server sets it for its processes: what the API answers from is renewed beside the requests.
FOLLOWS_IN_BACKGROUND = env.flag("SEEDBED_FOLLOWS_IN_BACKGROUND", default=False)
JOB_MAX_ATTEMPTS = env.whole("SEEDBED_JOB_MAX_ATTEMPTS", 5, least=1, most=1_000, unit="runs")
SCHEDULE_OWNER = env.text("SEEDBED_SCHEDULE_OWNER")  # of what a command switches on
MAX_PAGE_UPLOAD_BYTES = env.whole(
    "SEEDBED_MAX_PAGE_UPLOAD_BYTES", 50 * 1024 * 1024, least=1, unit="bytes"
)

# What applications are answered is kept, a sample where it is much, so that it can be watched.
SCORE_LOG = env.flag("SEEDBED_SCORE_LOG", default=True)
# Where opened and closed alarms are posted; empty: nowhere.
ALARM_WEBHOOK = env.web_address("SEEDBED_ALARM_WEBHOOK")

# Days for which what people wrote, rows that were refused, and what applications were answered are
# kept; 0: for ever. The command `tidy` removes what is older, each day with --every 1.
KEEP_TEXT_DAYS = _days("SEEDBED_KEEP_TEXT_DAYS")
KEEP_REJECTED_DAYS = _days("SEEDBED_KEEP_REJECTED_DAYS")
KEEP_SCORES_DAYS = _days("SEEDBED_KEEP_SCORES_DAYS")

# Hosts that feedback sources may connect to, as host:port or host:*; private ones must be named.
FEEDBACK_ALLOWED_HOSTS = env.endpoints("SEEDBED_FEEDBACK_ALLOWED_HOSTS")
# Variables with passwords of feedback sources, as NAME=host:port; others are used for no host.
FEEDBACK_VARIABLES = env.texts("SEEDBED_FEEDBACK_VARIABLES")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "project.accounts.validators.NotTheOneTimePassword"},
]
LOGIN_URL = "admin:login"
# The first one hashes; a password that another one hashed is hashed anew when it is next entered.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    "project.signin.LockoutBackend",
    "django.contrib.auth.backends.ModelBackend",
]

# Lockout of whoever guesses passwords; the counts stand in the database, for all web servers.
AXES_FAILURE_LIMIT = env.whole("SEEDBED_LOGIN_FAILURES", 5, least=1, most=10_000, unit="failures")
AXES_COOLOFF_TIME = timedelta(
    seconds=env.whole(
        "SEEDBED_LOCKOUT_SECONDS", 15 * 60, least=1, most=_MOST_SECONDS, unit="seconds"
    )
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address"]  # as LockoutHandler reads it
AXES_HANDLER = "project.signin.LockoutHandler"
AXES_LOCKOUT_CALLABLE = "project.signin.locked_out"
AXES_CLIENT_IP_CALLABLE = "project.visitors.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # who tries again does not wait longer
AXES_DISABLE_ACCESS_LOG = True  # the audit list has them
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False  # a line at each start of each process, and names in the log

LANGUAGE_CODE = "en"
TIME_ZONE = env.time_zone("SEEDBED_TIME_ZONE", "UTC")
FORMAT_MODULE_PATH = "project.formats"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = None  # WhiteNoise serves from where the finders look; nothing is collected
# The page of the API's document is made of files that django-ninja brings; as an app it would be
# loaded by every command.
_NINJA = find_spec("ninja")
STATICFILES_DIRS = [
    Path(at) / "static" for at in (_NINJA and _NINJA.submodule_search_locations) or ()
]
WHITENOISE_USE_FINDERS = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # bytes of a form without its files

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = env.whole(  # since the last act
    "SEEDBED_SESSION_IDLE_SECONDS", 8 * 3600, least=1, most=_MOST_SECONDS, unit="seconds"
)
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # a balancer asks this machine itself
if IS_PRODUCTION:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.flag("SEEDBED_SSL_REDIRECT", default=True)
    SECURE_HSTS_SECONDS = env.whole(
        "SEEDBED_HSTS_SECONDS", 3600, least=0, most=_MOST_SECONDS, unit="seconds"
    )
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SEEDBED_HSTS_SUBDOMAINS", default=True)
    # Nobody but the owner of the domain asks browsers to know it for ever.
    SILENCED_SYSTEM_CHECKS = ["security.W021"]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOG_LEVEL = env.log_level("SEEDBED_LOG_LEVEL", "INFO")
# Posted passwords are hidden on the error pages of development as well.
DEFAULT_EXCEPTION_REPORTER_FILTER = "project.error_reports.SecretsFilter"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "project.outside.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {"axes": {"level": "WARNING"}},  # the audit list says who signs in
}
