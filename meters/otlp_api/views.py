"""The routes under ``/otlp``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import set_rollback

from meters import wire
from meters.api import admission
from meters.api import errors as house
from meters.api.errors import DETAILS
from meters.described import TooManyDescriptionsError, batches
from meters.metric_api.base import MetricView
from meters.metric_api.errors import ApiError, bad_request, forbidden, not_found, translate
from meters.models import Quarantine
from meters.otlp_api import messages
from meters.otlp_api.messages import JSON, PROTOBUF, OtlpError
from meters.otlp_api.reading import Reading, read
from meters.store.write import StoreResult, store_batches
from telemetry_site.auth.caller import Caller
from telemetry_site.auth.principal import Scope

#: Roles of Keystone's that are good for no writing.
READS_ONLY = {"reader"}


class OtlpView(MetricView):
    produces = ""  # the answer is encoded as the request is
    http_method_names = ["post"]
    scopes: Mapping[str, Scope] = {"POST": "ingest"}

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        return _answer_exception


class Metrics(OtlpView):
    def post(self, request: Request) -> HttpResponse:
        """200 means that all but what it names is committed."""
        caller = self.caller
        if not _may_write(caller):
            raise forbidden()
        media_type = _sent_as(request._request)
        if media_type not in (PROTOBUF, JSON):
            raise ApiError(415, f"Content-Type: only {PROTOBUF} and {JSON} are understood.")
        with admission.admitted():
            found = _stored(messages.decode(self.any_body(), media_type), caller.project_id)
        answer = messages.response(found.refused, found.reason)
        return HttpResponse(messages.encode(answer, media_type), content_type=media_type)


class Nowhere(OtlpView):
    http_method_names = ["get", "post"]
    scopes: Mapping[str, Scope] = {"POST": "ingest", "GET": "read"}

    def get(self, request: Request, **_: str) -> HttpResponse:
        raise not_found("There is only /v1/metrics: no traces, logs or profiles are taken.")

    post = get


def _may_write(caller: Caller) -> bool:
    """For the own project; an administrator without one for the installation."""
    if caller.is_admin:
        return True
    return bool(caller.project_id) and caller.roles != READS_ONLY


def _stored(request: Any, project: str) -> Reading:
    """All that can be stored is, in one transaction. Raises `ApiError` and `OverloadError`."""
    found = read(request, project)
    admission.take(project, len(found.samples))
    try:
        parts = batches(found.samples)
    except (TooManyDescriptionsError, wire.WireError) as error:
        raise bad_request(str(error)) from error
    if parts:
        with admission.timed_commit(), transaction.atomic():
            for result in store_batches(parts, creator=project):
                _count_problems(found, result)
    return found


def _count_problems(found: Reading, result: StoreResult) -> None:
    """Only where the database's clock and ours don't agree."""
    words = dict(Quarantine.Reason.choices)
    for problem in result.problems:
        found.refuse(str(words[problem.reason]))


def _sent_as(request: HttpRequest) -> str:
    sent: str = request.META.get("CONTENT_TYPE", "")
    return sent.partition(";")[0].strip().lower()


def _answer_exception(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """A google.rpc.Status; None leaves a bug to Django: logged, and a 500."""
    if isinstance(exc, OtlpError | house.InvalidBodyError):
        exc = ApiError(400, str(exc))
    error = translate(exc)
    if error is None:
        return None
    set_rollback()
    headers = dict(error.headers)
    wait = getattr(house.translate(exc), "retry_after", None)
    if wait:
        headers["Retry-After"] = str(wait)
    words = str(error.description or DETAILS.get(error.status, error.title))
    media_type = JSON if _sent_as(context["request"]._request) == JSON else PROTOBUF
    body = messages.encode(messages.status(error.status, words), media_type)
    return HttpResponse(body, media_type, error.status, headers=headers)
