#!/usr/bin/env python3
"""The command line in a checkout; an installed package has `telemetry-manage`."""

from telemetry_site.__main__ import main

if __name__ == "__main__":
    main()
