"""What the views of this door share: the principal, strict parameters, lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from meters.api.bodies import StrictJSONParser
from meters.api.errors import LengthRequiredError
from meters.api.filters import ApiFilterSet
from meters.api.pagination import CURSOR, LIMIT, KeysetPagination, ordering_param
from meters.api.params import Param, check_query
from telemetry_site.auth.principal import Principal, principal_of


class ApiView(GenericAPIView):  # type: ignore[type-arg]
    """Refuses query parameters that the view does not read.

    `params` are what it reads itself, for methods that read; a filter set and a pager add theirs.
    """

    params: Sequence[Param[Any]] = ()
    parser_classes = [StrictJSONParser]
    pagination_class: type[KeysetPagination] | None = None
    filter_backends = ()
    filterset_class: type[ApiFilterSet] | None = None

    @property
    def principal(self) -> Principal:
        return principal_of(self.request)

    def query_params(self, method: str) -> Sequence[Param[Any]]:
        """The parameters that the view itself reads at this method."""
        return self.params if method in ("GET", "HEAD") else ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.META.get("HTTP_TRANSFER_ENCODING"):
            raise LengthRequiredError("Send the body with a Content-Length, not in chunks.")
        method = request.method or ""
        names = {param.name for param in self.query_params(method)}
        prefixes: Sequence[str] = ()
        if method in ("GET", "HEAD") and self.filterset_class is not None:
            names |= set(self.filterset_class.base_filters)
            prefixes = self.filterset_class.prefixes
        check_query(request.query_params, names, prefixes)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """An error is JSON, also where the caller asked for CSV."""
        if isinstance(response, Response) and response.exception:
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)

    def read(self, param: Param[Any]) -> Any:
        return param.read(self.request.query_params)

    def filtered(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The queryset through the view's filter set."""
        assert self.filterset_class is not None
        return self.filterset_class.apply(queryset, self.request.query_params)


class ListView(ListModelMixin, ApiView):
    """A paged, filtered, ordered list of what the principal may see."""

    orderings: dict[str, tuple[str, ...]]
    pagination_class = KeysetPagination

    def query_params(self, method: str) -> Sequence[Param[Any]]:
        if method not in ("GET", "HEAD"):
            return ()
        return [*self.params, LIMIT, CURSOR, ordering_param(self.orderings)]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.filtered(queryset) if self.filterset_class else queryset

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class DetailView(RetrieveModelMixin, ApiView):
    """One row of what the principal may see; another's is the same 404 as none."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)
