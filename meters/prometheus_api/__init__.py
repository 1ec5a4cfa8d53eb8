"""Prometheus' own reading API over our store, so that Grafana and its relatives work at once.

Source: prometheus.io/docs/prometheus/latest/querying/api. Metrics and their labels are those of
`meters.promql.series`.
"""
