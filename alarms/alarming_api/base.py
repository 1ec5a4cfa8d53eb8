"""What every view of this door shares: who asks, bodies, answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from rest_framework.request import Request
from rest_framework.views import set_rollback

from alarms.alarming_api.errors import (
    Fault,
    FaultResponse,
    bad,
    missing_argument,
    not_found,
    translate,
    unknown_argument,
)
from alarms.lifecycle import Author
from alarms.models import Alarm
from meters.api.bodies import check_depth
from meters.api.params import is_uuid
from meters.metric_api import accept, addresses
from meters.metric_api.base import MetricView, Negotiation
from telemetry_site.auth import tokens
from telemetry_site.auth.principal import Scope

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
NO_JSON = "Request is not in valid JSON format"
XML = "application/xml"


class JsonForXml(Negotiation):
    """406 for who wants neither JSON nor XML; who wants XML gets JSON, as no client asks for it."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[None, str]:
        wanted = request.META.get("HTTP_ACCEPT", "")
        if accept.admits(wanted, XML):
            return None, accept.JSON
        return super().select_renderer(request, renderers, format_suffix)


class AlarmingView(MetricView):
    """A view of this door. A handler raises `Fault` or returns an answer.

    The order of refusals: 404 (no such path), 406, 401, 405, then as aodh has it: what nobody may
    see is 404 before it is 403.
    """

    content_negotiation_class = JsonForXml
    http_method_names = ["get", "head", "post", "put", "delete"]
    scopes: Mapping[str, Scope] = {
        "GET": "read", "HEAD": "read", "POST": "alarms", "PUT": "alarms", "DELETE": "alarms",
    }  # fmt: skip
    #: Query parameters that are known; None: any are, and those are not looked at.
    parameters: Collection[str] | None = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.parameters is not None:
            for name in request.GET:
                if name not in self.parameters:
                    raise unknown_argument(name)

    # --- who asks ------------------------------------------------------------------------------

    @property
    def author(self) -> Author:
        return Author(self.caller.user_id, self.caller.project_id)

    @property
    def keystone_token(self) -> str:
        """The caller's own, or an empty text where none of Keystone's was brought."""
        given = self.request.META.get("HTTP_X_AUTH_TOKEN", "").strip()
        return "" if given.startswith(tokens.PREFIX) else given

    @property
    def own_project(self) -> str | None:
        """Of an administrator without one: the installation itself."""
        return self.caller.project_id or None

    @property
    def of_own(self) -> Q:
        """Rows of the own project; of who has none there are none."""
        if self.own_project is None and not self.caller.is_admin:
            return Q(pk__in=[])
        return Q(project_id=self.own_project)

    @property
    def visible(self) -> Q:
        """Rows that the caller may know of."""
        return Q() if self.caller.is_admin else self.of_own

    @property
    def may_read(self) -> bool:
        return self.caller.is_admin or self._has_role("reader", "member")

    @property
    def may_write(self) -> bool:
        """Whether the caller may change alarms of the own project, and so see them whole."""
        is_member = self.caller.is_admin or self._has_role("member")
        return is_member and self.caller.may("alarms")

    def _has_role(self, *names: str) -> bool:
        return bool(self.caller.project_id) and not self.caller.roles.isdisjoint(names)

    def require(self, allowed: bool) -> None:
        if not allowed:
            raise Fault(403)

    def visible_alarm(self, alarm_id: str) -> Alarm:
        """404 for what is not the caller's to know of."""
        found: Alarm | None = self.visible_row(Alarm.objects.all(), alarm_id)
        if found is None:
            raise not_found()
        return found

    def visible_row(self, rows: QuerySet[Any], ident: Any) -> Any:
        """The row with this id if the caller may know of it, or None."""
        if not isinstance(ident, str) or not is_uuid(ident):
            return None
        return rows.filter(self.visible, pk=ident).first()

    # --- what is asked -------------------------------------------------------------------------

    def json_body(self, argument: str) -> Any:
        """The body's JSON; `argument` is what aodh calls it. Raises 400, 411, 413 and 415."""
        sent = self.request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        data = self.any_body()
        if sent in FORMS:
            raise unknown_argument(next(iter(QueryDict(data[:10_000])), ""))
        if data and sent not in ("", accept.JSON):
            raise Fault(415, f"Unknown mimetype: {sent[:100]}")
        if not data:
            raise missing_argument(argument)
        check_depth(data)
        try:
            return msgspec.json.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise bad(NO_JSON) from error

    def object_body(self, argument: str) -> dict[str, Any]:
        body = self.json_body(argument)
        if not isinstance(body, dict):
            raise bad("Request body must be a JSON object")
        return body

    # --- the framework's hooks -----------------------------------------------------------------

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """`Allow` without HEAD, which goes wherever GET goes: suites compare the text."""
        allowed = [name for name in self.allowed_methods if name != "HEAD"]
        raise Fault(405, headers={"Allow": ", ".join(allowed)})

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        return _answer_exception


def _answer_exception(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """None leaves a bug to Django: logged, and made a 500 in this door's form on the way out."""
    fault = translate(exc)
    if fault is None:
        return None
    set_rollback()
    return FaultResponse(fault)


def root_url(request: HttpRequest) -> str:
    """The door's address, without a slash at the end."""
    here = f"{addresses.site_url(request)}/{settings.TELEMETRY_ALARMING_API_PREFIX}"
    return settings.TELEMETRY_ALARMING_API_URL or here
