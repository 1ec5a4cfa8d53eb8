"""The house: settings, the Celery application, access, embedded servers, operations."""

__version__ = "0.1.0"
