from django.urls import path

from alarms.ui.views import (
    acks,
    alarms,
    bulk,
    decisions,
    editing,
    history,
    inhibitions,
    notifications,
    silences,
)

app_name = "alarms"
urlpatterns = [
    path("alarms", alarms.alarms, name="alarms"),
    path("alarms/new", editing.new, name="new"),
    path("alarms/preview", editing.part, name="preview"),
    path("alarms/offers", editing.offers, name="offers"),
    path("alarms/<uuid:uuid>", alarms.alarm, name="alarm"),
    path("alarms/<uuid:uuid>/data", alarms.data, name="data"),
    path("alarms/<uuid:uuid>/edit", editing.edit, name="edit"),
    path("alarms/<uuid:uuid>/enable", decisions.enable, name="enable"),
    path("alarms/<uuid:uuid>/delete", decisions.delete, name="delete"),
    path("alarms/<uuid:uuid>/state", decisions.state, name="state"),
    path("alarms/<uuid:uuid>/test", decisions.test, name="test"),
    path("alarms/<uuid:uuid>/ack", acks.acknowledge, name="ack"),
    path("alarms/<uuid:uuid>/silence", silences.of_alarm, name="silence"),
    path("alarms/bulk", bulk.decide, name="bulk"),
    path("history", history.history, name="history"),
    path("inhibitions", inhibitions.list_inhibitions, name="inhibitions"),
    path("inhibitions/<uuid:uuid>/delete", inhibitions.delete, name="delete-inhibition"),
    path("silences", silences.list_silences, name="silences"),
    path("silences/new", silences.new, name="new-silence"),
    path("silences/preview", silences.preview, name="silence-preview"),
    path("silences/<uuid:uuid>/expire", silences.expire, name="expire"),
    path("notifications", notifications.notifications, name="notifications"),
    path("notifications/<uuid:uuid>", notifications.notification, name="notification"),
    path("notifications/<uuid:uuid>/decide", notifications.decide, name="decide"),
]
