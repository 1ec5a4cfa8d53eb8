"""Serves the `application` of a module of the cloud's environment: MODULE PORT [ARGUMENT …]. The
module finds the arguments in `sys.argv`, as it would those of a command.
"""

from __future__ import annotations

import sys
from importlib import import_module

import waitress


def main(module: str, port: str, *arguments: str) -> None:
    sys.argv = [module, *arguments]
    application = import_module(module).application
    waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8, ident=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
