"""API tokens: list, make (the secret is shown once), revoke."""

from __future__ import annotations

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Now
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from meters.api import serializers
from meters.api.base import ApiView, ListView
from meters.api.errors import BadParameterError, QuotaExceededError
from telemetry_site.auth import tokens
from telemetry_site.auth.models import ApiToken
from telemetry_site.auth.principal import Scope

log = structlog.get_logger(__name__)


class TokenList(ListView):
    """The caller's tokens (an administrator sees everybody's), never a secret."""

    scopes: dict[str, Scope] = {"POST": "admin"}
    serializer_class = serializers.TokenSerializer
    orderings = {"-created_at": ("-created_at", "-id"), "created_at": ("created_at", "id")}

    def get_queryset(self) -> QuerySet[ApiToken]:
        return ApiToken.objects.scope(self.principal).select_related("user")

    @extend_schema(
        request=serializers.TokenRequestSerializer,
        responses={201: serializers.NewTokenSerializer},
        operation_id="tokens_create",
    )
    def post(self, request: Request) -> Response:
        """Make a token. It can do no more than its maker, and `token` is shown this once."""
        asked = serializers.TokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        data = asked.validated_data
        project = self._project(data.get("project_id"))
        scopes = frozenset(data["scopes"])
        beyond = scopes - tokens.allowed_scopes(self.principal, project)
        if beyond:
            raise PermissionDenied(f"You have no right to {', '.join(sorted(beyond))} yourself.")
        try:
            token, text = tokens.issue(
                int(self.principal.user_id), data["name"], scopes, project, data["days"],
                not_after=request.auth.expires_at if isinstance(request.auth, ApiToken) else None,
            )  # fmt: skip
        except tokens.QuotaError as error:
            raise QuotaExceededError(str(error)) from error
        log.info("token made", token=token.prefix, scopes=token.scopes, by=self.principal.name)
        token.token = text  # type: ignore[attr-defined]
        return Response(serializers.NewTokenSerializer(token).data, status=201)

    def _project(self, asked: str | None) -> str:
        """A token made by a token that is bound to a project is bound to the same."""
        bound = request_project(self.request)
        if asked is None:
            return bound
        if (bound and asked != bound) or not (
            self.principal.is_admin or asked in self.principal.projects
        ):
            raise BadParameterError("project_id", "You are not a member of this project.")
        return asked


class TokenDetail(ApiView):
    """One token, to be revoked."""

    scopes: dict[str, Scope] = {"DELETE": "admin"}
    serializer_class = serializers.TokenSerializer

    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke a token: it is refused from the next request on."""
        live = ApiToken.objects.scope(self.principal).filter(revoked_at=None)
        token = get_object_or_404(live, pk=pk)
        ApiToken.objects.scope(self.principal).filter(pk=token.pk, revoked_at=None).update(
            revoked_at=Now()
        )
        log.info("token revoked", token=token.prefix, by=self.principal.name)
        return Response(status=204)


def request_project(request: Request) -> str:
    """The project that the request's token is bound to, or ""."""
    return request.auth.project_id if isinstance(request.auth, ApiToken) else ""
