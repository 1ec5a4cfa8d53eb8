"""The web UI: server-rendered pages, parts refreshed by htmx, plots by uPlot.

`query` reads what stands in the URL, `access` says who asks, `views` load, the modules without
Django in them (`plotting`, `sparkline`, `formats`, `health`) decide, templates show.
"""
