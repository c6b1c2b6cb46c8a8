"""Settings of the test run: the product's own, on a scratch folder and with fast password hashing."""

import os
import tempfile

os.environ.setdefault("TRAININGDAY_ENV_FILE", os.devnull)
os.environ.setdefault("TRAININGDAY_LOCAL", "true")
# Children of tests run beside other tests, which wait for them and have deadlines.
os.environ.setdefault("TRAININGDAY_NICE", "5")
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 60)
os.environ.setdefault("TRAININGDAY_ARTIFACT_KEYS", "test:" + "ab" * 32)
# A folder for each test process: its children inherit it, the other processes of pytest-xdist do not.
worker = os.environ.get("PYTEST_XDIST_WORKER", "")
if "TRAININGDAY_HOME" not in os.environ or os.environ.get("TRAININGDAY_TEST_WORKER", "") != worker:
    os.environ["TRAININGDAY_HOME"] = tempfile.mkdtemp(prefix="trainingday-tests-")
    os.environ["TRAININGDAY_TEST_WORKER"] = worker

from trainingday.settings import *

# Where tests stand in for an exchange; child processes read it from the environment.
TRAININGDAY_EXCHANGE_ADDRESSES = env.dict("TEST_EXCHANGE_ADDRESSES", default={})
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
# A file, so that child processes of a test see the same database.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(TRAININGDAY_HOME / f"test-{os.getpid()}.sqlite3")}
# Only the tests of the limits themselves are about them.
TRAININGDAY_RATE_LIMITS = {name: (10**6, seconds) for name, (_, seconds) in TRAININGDAY_RATE_LIMITS.items()}
