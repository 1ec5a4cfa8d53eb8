"""``/v1/resource_type``."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import resource_types
from meters.metric_api.base import JSON_PATCH, MetricView
from meters.metric_api.finding import require, resource_type
from meters.models import ResourceType
from meters.resource_types import type_json


class Types(MetricView):
    def get(self, request: Request) -> HttpResponse:
        require("list resource type", self.caller)
        return self.answer([type_json(kind) for kind in ResourceType.objects.order_by("name")])

    def post(self, request: Request) -> HttpResponse:
        require("create resource type", self.caller)
        kind = resource_types.create(**self.body(resource_types.NEW_TYPE))
        return self.created(type_json(kind), self.url("resource_type", kind.name))


class Type(MetricView):
    def get(self, request: Request, name: str) -> HttpResponse:
        require("get resource type", self.caller)
        return self.answer(type_json(resource_type(name)))

    def patch(self, request: Request, name: str) -> HttpResponse:
        require("update resource type", self.caller)
        resource_type(name)
        patch = self.body(resource_types.PATCH, JSON_PATCH)
        return self.answer(type_json(resource_types.change(name, patch)))

    def delete(self, request: Request, name: str) -> HttpResponse:
        require("delete resource type", self.caller)
        resource_types.delete(name)
        return self.no_content()
