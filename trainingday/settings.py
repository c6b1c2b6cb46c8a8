"""Settings, read from the environment or from the `.env` file beside manage.py."""

from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from trainingday.logs import configure as configure_logs

# Lets ModelAdmin[...] and its like be written as the type checker wants them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env_file = Path(env.str("TRAININGDAY_ENV_FILE", str(BASE_DIR / ".env")))
if env_file.is_file():
    environ.Env.read_env(env_file)

# A local quick start serves plain http on loopback; everything else is production.
LOCAL = env.bool("TRAININGDAY_LOCAL", False)
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY should be set, is empty: run `make run` for a local quick start, "
        "or set SECRET_KEY, TRAININGDAY_ARTIFACT_KEYS and ALLOWED_HOSTS."
    )
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if LOCAL else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

TRAININGDAY_HOME = Path(env.str("TRAININGDAY_HOME", str(BASE_DIR / "var")))
TRAININGDAY_HOME.mkdir(parents=True, exist_ok=True)
TRAININGDAY_DATASETS = TRAININGDAY_HOME / "datasets"
TRAININGDAY_ARTIFACTS = TRAININGDAY_HOME / "artifacts"
# Object storage behind both folders, such as s3://bucket/prefix; empty: the folders are all there is.
TRAININGDAY_STORAGE = env.str("TRAININGDAY_STORAGE", "")
# Temporary files of runs: one folder for each attempt, removed with it.
TRAININGDAY_SCRATCH = TRAININGDAY_HOME / "scratch"
# Keys that sign model files, "id:hex" by the newest first; never the same as SECRET_KEY.
TRAININGDAY_ARTIFACT_KEYS = env.list("TRAININGDAY_ARTIFACT_KEYS", default=[])
TRAININGDAY_FAMILIES = env.list("TRAININGDAY_FAMILIES", default=[])
TRAININGDAY_EXECUTOR = env.str("TRAININGDAY_EXECUTOR", "processes")
TRAININGDAY_MEMORY_LIMIT_MB = env.int("TRAININGDAY_MEMORY_LIMIT_MB", 6000)
TRAININGDAY_MIN_FREE_DISK_MB = env.int("TRAININGDAY_MIN_FREE_DISK_MB", 1024)
# Events of runs that ended longer ago are deleted; 0 keeps them all.
TRAININGDAY_EVENT_DAYS = env.int("TRAININGDAY_EVENT_DAYS", 365)
# /metrics for Prometheus (extra `metrics`): off, or for admins and whoever bears the token.
TRAININGDAY_METRICS = env.bool("TRAININGDAY_METRICS", False)
TRAININGDAY_METRICS_TOKEN = env.str("TRAININGDAY_METRICS_TOKEN", "")
TRAININGDAY_MAX_UPLOAD_BYTES = env.int("TRAININGDAY_MAX_UPLOAD_BYTES", 200 * 1024 * 1024)

INSTALLED_APPS = [
    "trainingday.access.admin_app.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "django_htmx",
    "csp",
    "django_q",
    "auditlog",
    "trainingday.access",
    "trainingday.markets",
    "trainingday.runs",
    "trainingday.downloads",
    "patterns",
    "strategies",
    "sessions",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "trainingday.access.audit.AuditMiddleware",
]

if TRAININGDAY_METRICS:
    MIDDLEWARE = [
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *MIDDLEWARE,
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ]

ROOT_URLCONF = "trainingday.urls"
ASGI_APPLICATION = "trainingday.asgi.application"
WSGI_APPLICATION = "trainingday.wsgi.application"
LOGIN_URL = "login"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "trainingday.access.site.RolePermissions",
]
# A session ends a week after its log-in, used or not; a new password ends it everywhere at once.
SESSION_COOKIE_AGE = env.int("SESSION_SECONDS", 7 * 24 * 3600)
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

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
                "trainingday.permissions.roles",
            ],
        },
    }
]

DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{TRAININGDAY_HOME / 'trainingday.sqlite3'}")
}
# How long a thread keeps its connection; `manage.py up` lets the web keep them for a minute.
DATABASES["default"].setdefault("CONN_MAX_AGE", env.int("DATABASE_CONNECTION_SECONDS", 0))
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A host that is cut off learns it within half a minute, not when TCP gives up after a quarter of an hour.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    } | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", "")
OWN_CACHE = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # A Redis that hangs must not hold a request for longer than this.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
    if REDIS_URL
    else OWN_CACHE,
    "own": OWN_CACHE | {"LOCATION": "own"},
}
# Progress is durable rows; a channel layer is never needed for correctness.
CHANNEL_LAYERS = (
    {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}}
    if REDIS_URL
    else {}
)

# `retry` above `timeout`, one attempt and a prefetch of one: django-q2 delivers at least once, and the
# run's own fence decides who works.
Q_CLUSTER = {
    "name": "trainingday",
    "orm": "default",
    "workers": 2,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 1,
    "timeout": 86400,
    "retry": 90000,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "recycle": 100,
    "save_limit": 500,
    "label": "Queue",
    "ALT_CLUSTERS": {"long": {"workers": 2, "recycle": 1, "scheduler": False}},
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = TRAININGDAY_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "trainingday.staticfiles.PackageFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = LOCAL
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise looks there before the first collectstatic
MEDIA_ROOT = TRAININGDAY_HOME / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "trainingday.errors.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
TRUST_PROXY_HEADERS = env.bool("TRUST_PROXY_HEADERS", False)
if not LOCAL:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31536000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if TRUST_PROXY_HEADERS:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "trainingday.access.authentication.ScopedTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["trainingday.permissions.ReadOrOperate"],
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "trainingday.rest.KnownOrdering",
    ],
    "DEFAULT_PAGINATION_CLASS": "trainingday.rest.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "trainingday.rest.handle_exception",
    "DEFAULT_PARSER_CLASSES": ["trainingday.rest.StrictJSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_THROTTLE_CLASSES": ["trainingday.access.authentication.RequestThrottle"],
    "DEFAULT_VERSIONING_CLASS": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
REST_KNOX = {"TOKEN_TTL": None, "AUTO_REFRESH": False}
KNOX_TOKEN_MODEL = "access.ApiToken"  # noqa: S105  (a model, no secret)
# Knox's migrations would make the table of its own tokens, which no model here knows.
MIGRATION_MODULES = {"knox": None}
# (uses, seconds) of each limit; see trainingday/access/limits.py for where they are counted.
TRAININGDAY_RATE_LIMITS = {
    "login": (env.int("LIMIT_LOGINS", 5), 300),
    "login-address": (env.int("LIMIT_LOGINS_BY_ADDRESS", 50), 300),
    "read": (env.int("LIMIT_READS", 1200), 60),
    "write": (env.int("LIMIT_WRITES", 120), 60),
    "import": (env.int("LIMIT_IMPORTS", 30), 60),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Training Day",
    "DESCRIPTION": (
        "Train, breed and mine trading strategies; read the evidence; follow the champion.\n\n"
        "Lists come in numbered pages (`page`, `page_size` up to 200) with `count`, so that a page has an address and "
        "the end is known. Every order is total: it ends with the row's own number. Where rows are added while you "
        "page through newest first, one may come twice and none is missed. A run's events are what arrives while you "
        "read: there `since` is the cursor, the last `seq` that you have."
    ),
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/",
    "ENUM_NAME_OVERRIDES": {
        "RunStateEnum": "trainingday.runs.models.RunState",
        "TrialStateEnum": "sessions.models.Trial.State",
        "PatternStateEnum": "patterns.models.Pattern.State",
        "PatternDirectionEnum": "patterns.models.DIRECTIONS",
        "TradeDirectionEnum": "strategies.backtest_api.DIRECTIONS",
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "trainingday.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        "django-q": {"level": "WARNING"},
        "numba": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
    },
}
configure_logs()
SILENCED_SYSTEM_CHECKS: list[str] = []
