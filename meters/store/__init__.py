"""The store: how samples and events are written and read. No other package writes SQL."""
