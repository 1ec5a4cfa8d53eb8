"""The classic Telemetry API: what ceilometer's clients speak, under ``/metering/v2``.

A view on the one store (telemetry-api.md): meters, samples, resources, statistics.
"""
