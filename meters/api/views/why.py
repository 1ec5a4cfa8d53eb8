"""Why there is no data of a meter of a resource."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from meters.api import serializers
from meters.api.base import ApiView
from meters.api.params import Param, name_text
from meters.why.answer import explain
from meters.why.gather import gather
from meters.why.plain import plain

RESOURCE = Param("resource", name_text, "Id, uuid or name of the resource.", required=True)
METER = Param("meter", name_text, "Name of the meter.", required=True)


class Why(ApiView):
    """Why there is no data, in words: causes first, then clues, then what is in order.

    A resource that is not the caller's is answered as one that does not exist. What concerns the
    installation (sources, errors, quarantine, queues) only administrators are told.
    """

    params = (RESOURCE, METER)
    serializer_class = serializers.WhySerializer

    @extend_schema(operation_id="why")
    def get(self, request: Request) -> Response:
        facts = gather(self.principal, self.read(RESOURCE), self.read(METER))
        return Response(self.get_serializer(plain(explain(facts))).data)
