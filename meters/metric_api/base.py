"""What every view of this door shares: who asks, bodies, parameters, and the forms of answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any
from uuid import UUID

import voluptuous
from django.http import HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView, set_rollback

from meters.api.bodies import read_body
from meters.api.errors import LengthRequiredError
from meters.metric_api import accept, addresses, bodies, times
from meters.metric_api.cost import Tally
from meters.metric_api.errors import ApiError, ErrorResponse, forbidden, translate
from meters.metric_api.paging import Paging
from meters.metric_api.params import Params
from telemetry_site.auth.caller import Caller, caller_of
from telemetry_site.auth.openstack import WAYS_IN
from telemetry_site.auth.principal import Scope

JSON_PATCH = "application/json-patch+json"
_READING: dict[str, Scope] = {"GET": "read", "HEAD": "read"}
#: What `POST` asks for without changing anything.
SEARCHING: Mapping[str, Scope] = {**_READING, "POST": "read"}
WRITING: Mapping[str, Scope] = {
    **_READING, "POST": "ingest", "PATCH": "ingest", "DELETE": "ingest",
}  # fmt: skip
#: What belongs to the installation.
GOVERNING: Mapping[str, Scope] = {
    **_READING, "POST": "admin", "PATCH": "admin", "DELETE": "admin",
}  # fmt: skip


class Negotiation(BaseContentNegotiation):
    """406 for who wants no JSON; views answer without renderers."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        return None

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[None, str]:
        produces = request.parser_context["view"].produces
        if produces and not accept.admits(request.META.get("HTTP_ACCEPT", ""), produces):
            raise ApiError(406, None)
        return None, produces


class MetricView(APIView):
    """A view of this door. A handler raises `ApiError` or returns one of the answers below.

    The order of refusals: 404 (no such path), 406, 401, 405, 403, 415, 400.
    """

    authentication_classes: Sequence[type[BaseAuthentication]] = WAYS_IN
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = ()
    parser_classes = ()
    content_negotiation_class = Negotiation
    http_method_names = ["get", "head", "post", "patch", "delete"]
    schema = None
    #: What a token of ours must be good for, by method.
    scopes: Mapping[str, Scope] = WRITING
    #: The type of the answer, for `Accept`; "" where nobody may choose.
    produces = accept.JSON

    # --- what is asked -------------------------------------------------------------------------

    @cached_property
    def caller(self) -> Caller:
        """Who asks. Raises 401 when nobody has said so, 403 for who acts for no project (S36)."""
        caller = caller_of(self.request)
        if caller is None:
            raise NotAuthenticated
        if not caller.has_place:
            raise forbidden()
        return caller

    @cached_property
    def params(self) -> Params:
        return Params(self.request.GET)

    @cached_property
    def tally(self) -> Tally:
        return Tally()

    @property
    def has_body(self) -> bool:
        """Also one in chunks, which `any_body` refuses."""
        meta = self.request.META
        return meta.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in meta

    def any_body(self, left_packed: str = "") -> bytes:
        """The body's bytes, whatever type it says it has. Raises 411 and 413.

        `left_packed` is a `Content-Encoding` that the view unpacks itself.
        """
        if "HTTP_TRANSFER_ENCODING" in self.request.META:
            raise LengthRequiredError("Send the body with a Content-Length, not in chunks.")
        return read_body(self.request, left_packed)

    def raw_body(self, media_type: str = accept.JSON) -> bytes:
        """The body's bytes. Raises 415 for another type; call it when the caller may do this."""
        sent = self.request.META.get("CONTENT_TYPE", "").partition(";")[0]
        if sent.strip().lower() != media_type:
            raise ApiError(415)
        return self.any_body()

    def body(self, schema: voluptuous.Schema | None = None, media_type: str = accept.JSON) -> Any:
        """The body's JSON, through the schema. Raises 415 and 400 as `raw_body`."""
        data = bodies.decode(self.raw_body(media_type))
        return data if schema is None else bodies.validate(schema, data)

    def url(self, *parts: str) -> str:
        """An absolute address under ``/v1``."""
        return addresses.url_of(self.request, *parts)

    # --- what is answered ----------------------------------------------------------------------

    def answer(self, data: Any, status: int = 200) -> HttpResponse:
        """JSON, with bare ``NaN`` and ``Infinity`` for what is no finite number.

        With blanks after colons and commas: the reference's suites look for them.
        """
        return self.answer_text(_to_json(data), status)

    def answer_text(self, text: str | bytes, status: int = 200) -> HttpResponse:
        """What is JSON already."""
        return HttpResponse(text, content_type=accept.JSON, status=status)

    def created(self, data: Any, location: str) -> HttpResponse:
        response = self.answer(data, 201)
        response["Location"] = location
        return response

    def accepted(self) -> HttpResponse:
        """202 without a body."""
        return HttpResponse(status=202, content_type=accept.JSON)

    def no_content(self) -> HttpResponse:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response

    def listed(
        self,
        items: Sequence[Any],
        paging: Paging,
        marker_of: Callable[[Any], str] = itemgetter("id"),
    ) -> HttpResponse:
        """A page, with the `Link` to the next one when it is full."""
        response = self.answer(items)
        if len(items) >= paging.limit:
            response["Link"] = paging.link(self.request, str(marker_of(items[-1])))
        return response

    # --- the framework's hooks -----------------------------------------------------------------

    def check_permissions(self, request: Request) -> None:
        """Raises 401 for nobody, before any handler looks for an object, and 403 for a token
        without the scope; which objects a caller may touch, handlers ask.
        """
        if not self.authentication_classes:
            return
        caller = self.caller
        scope = self.scopes.get(request.method or "")
        if scope is not None and not caller.may(scope):
            raise forbidden(f"The token lacks the scope `{scope}`.")

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise ApiError(405, "", {"Allow": ", ".join(self.allowed_methods)})

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        return _answer_exception


def _answer_exception(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """None leaves a bug to Django: logged, and made a 500 in this door's form on the way out."""
    error = translate(exc)
    if error is None:
        return None
    set_rollback()
    return ErrorResponse(error, context["request"]._request)


def _plain(value: Any) -> str:
    """What JSON has no form for."""
    if isinstance(value, datetime):
        return times.text_of(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_to_json = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
