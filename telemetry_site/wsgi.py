import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "telemetry_site.settings.server")
os.environ.setdefault("TELEMETRY_ROLE", "web")
application = get_wsgi_application()
