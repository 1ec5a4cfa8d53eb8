"""Addresses of the event API, as its middleware leaves them: no slash at the end."""

from django.urls import path, re_path

from meters.event_api import views
from meters.wsme.open import Health, NoSuchPath

#: What ceilometer had in its own API, and panko took over.
EVENTS = [
    path("v2/events", views.Events.as_view()),
    path("v2/events/<path:message_id>", views.OneEvent.as_view()),
    path("v2/event_types", views.EventTypes.as_view()),
    path("v2/event_types/<str:event_type>", views.OneEventType.as_view()),
    path("v2/event_types/<str:event_type>/traits", views.TraitDescriptions.as_view()),
    path("v2/event_types/<str:event_type>/traits/<path:trait>", views.Traits.as_view()),
]
app_name = "event_api"
urlpatterns = [
    path("", views.Root.as_view(), name="root"),
    path("healthcheck", Health.as_view(word="OK"), name="healthcheck"),
    path("v2/capabilities", views.Capabilities.as_view()),
    *EVENTS,
    re_path("^.*$", NoSuchPath.as_view(), name="no-such-path"),
]
