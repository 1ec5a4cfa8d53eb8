"""Membership of users in projects, and API tokens."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from telemetry_site.auth.queries import ApiTokenQuerySet


class Membership(models.Model):
    """A user's role in a project. Projects are the cloud's: known by id only."""

    class Role(models.TextChoices):
        READER = "reader", "reader"
        MEMBER = "member", "member"
        ADMIN = "admin", "admin"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    project_id = models.CharField(max_length=255)
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "project_id"], name="one_role_a_project"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.project_id}: {self.role}"


class ApiToken(models.Model):
    """A token `tlm_…`; only its SHA-256 is stored, the text is shown once (S47)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=255)
    prefix = models.CharField(max_length=12)
    digest = models.CharField(max_length=64, unique=True)
    project_id = models.CharField(max_length=255, default="", blank=True)
    scopes = ArrayField(models.CharField(max_length=16), default=list)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class LoginAttempts(models.Model):
    """Attempts without success of one account or one address (`throttle`)."""

    key = models.CharField(max_length=80, primary_key=True)
    attempts = models.PositiveIntegerField(default=0)
    blocked_until = models.DateTimeField(db_default=models.functions.Now())
    updated_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        indexes = [models.Index(fields=["updated_at"], name="login_attempts_updated")]

    def __str__(self) -> str:
        return f"{self.key[:16]}: {self.attempts}"
