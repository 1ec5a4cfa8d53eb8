"""What the store holds and whether packing keeps up. For operators."""

from __future__ import annotations

from django.http import HttpResponse

from meters.store.info import filed_survey, ring, store_info
from meters.ui.access import PageRequest, operator_page
from meters.ui.rendering import show


@operator_page
def storage(request: PageRequest) -> HttpResponse:
    survey = filed_survey()
    info = store_info(survey) if survey else None
    context = {"info": info, "ring": info.ring if info else ring()}
    return show(request, "storage", context, section="storage", title="Storage")
