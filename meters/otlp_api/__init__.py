"""The OpenTelemetry protocol over HTTP, for metrics, under ``/otlp``: samples come in by it.

Source: opentelemetry.io/docs/specs/otlp. What becomes of a metric: docs/reference/otlp.md.
"""
