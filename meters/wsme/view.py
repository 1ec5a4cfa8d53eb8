"""What every view of these doors shares: who asks, bodies, arguments, answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from django.http import HttpResponse, QueryDict
from rest_framework.request import Request
from rest_framework.views import set_rollback

from meters.api.bodies import check_depth
from meters.metric_api import accept
from meters.metric_api.base import MetricView, Negotiation
from meters.wsme.errors import Fault, FaultResponse, bad, missing_argument, unknown_argument
from meters.wsme.errors import translate as translate_shared
from telemetry_site.auth.principal import Scope

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
#: WSME's own names of it.
JSON_TYPES = (accept.JSON, "text/javascript", "application/javascript")
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


class WsmeView(MetricView):
    """A view of one of these doors. A handler raises `Fault` or returns an answer.

    The order of refusals: 404 (no such path), 406, 401, 405, then as the originals have it: what
    nobody may see is 404 before it is 403.
    """

    content_negotiation_class = JsonForXml
    http_method_names = ["get", "head", "post", "put", "delete"]
    scopes: Mapping[str, Scope] = {"GET": "read", "HEAD": "read"}
    #: Query parameters that are known; None: any are, and those are not looked at.
    parameters: Collection[str] | None = ()
    #: What a view's exception says, besides what is said here.
    translate: Callable[[Exception], Fault | None] = staticmethod(translate_shared)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.parameters is not None:
            for name in self.arguments():
                if name not in self.parameters:
                    raise unknown_argument(name)

    def arguments(self) -> QueryDict:
        """The query's."""
        return self.request.GET

    @property
    def own_project(self) -> str | None:
        """Of an administrator without one: the installation itself."""
        return self.caller.project_id or None

    def require(self, allowed: bool) -> None:
        if not allowed:
            raise Fault(403)

    # --- what is asked -------------------------------------------------------------------------

    def json_body(self, argument: str) -> Any:
        """The body's JSON; `argument` is what the original calls it. Raises 400, 411, 413, 415."""
        sent = self.request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        data = self.any_body()
        if sent in FORMS:
            raise unknown_argument(next(iter(QueryDict(data[:10_000])), ""))
        if data and sent not in ("", *JSON_TYPES):
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
        """None leaves a bug to Django: logged, and made a 500 in this form on the way out."""

        def handle(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
            fault = self.translate(exc)
            if fault is None:
                return None
            set_rollback()
            return FaultResponse(fault)

        return handle
