from django.urls import path

from meters.ui.views import (
    catalogue,
    docs,
    events,
    overview,
    plot,
    plot_tables,
    quarantine,
    session,
    sources,
    storage,
)

app_name = "ui"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("health", overview.health, name="health"),
    path("login/", session.Login.as_view(), name="login"),
    path("logout/", session.Logout.as_view(), name="logout"),
    path("resources", catalogue.resources, name="resources"),
    path("resources/<uuid:uuid>", catalogue.resource, name="resource"),
    path("meters", catalogue.meters, name="meters"),
    path("meter", catalogue.meter, name="meter"),
    path("plot", plot.plot, name="plot"),
    path("plot/data", plot.data, name="plot-data"),
    path("plot/offers", plot.offers, name="plot-offers"),
    path("plot/samples", plot_tables.samples, name="plot-samples"),
    path("plot/samples.csv", plot_tables.samples_csv, name="plot-samples-csv"),
    path("plot.csv", plot_tables.as_csv, name="plot-csv"),
    path("sources", sources.sources, name="sources"),
    path("sources/<int:pk>", sources.source, name="source"),
    path("sources/<int:pk>/forget", sources.forget, name="source-forget"),
    path("events", events.events, name="events"),
    path("events/<int:pk>", events.event, name="event"),
    path("docs/", docs.docs, name="docs"),
    path("docs/<path:name>", docs.docs, name="doc"),
    path("storage", storage.storage, name="storage"),
    path("quarantine", quarantine.items, name="quarantine"),
    path("quarantine/<int:pk>", quarantine.item, name="quarantine-item"),
    path("quarantine/decide", quarantine.decide, name="quarantine-decide"),
]
