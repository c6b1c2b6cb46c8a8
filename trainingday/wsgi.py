"""WSGI entry; the live pages need asgi.py."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "trainingday.settings")
application = get_wsgi_application()
