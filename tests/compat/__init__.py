"""Other projects' suites and clients, unmodified, against our server: `make compat SUITE=…`."""
