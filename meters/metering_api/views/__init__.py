"""The views of the metering API."""
