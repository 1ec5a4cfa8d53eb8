"""Checks of the settings that name files for TLS; wrong ones are told in one sentence."""

from __future__ import annotations

import ssl

from django.core.exceptions import ImproperlyConfigured


def system_authorities() -> str | bool:
    """The system's CAs; `requests` would take a package's own list of them."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def check_ca_file(name: str, path: str) -> str:
    """The path of the setting `name`. Raises `ImproperlyConfigured` unless it is a file of
    certificates, or empty."""
    if path:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as error:
            raise ImproperlyConfigured(_file(name, path, error)) from None
    return path


def check_certificate(prefix: str, path: str, key_path: str) -> tuple[str, str]:
    """The paths of the settings PREFIX_CERT_FILE and PREFIX_KEY_FILE. Raises `ImproperlyConfigured`
    unless they are a certificate and its key, or both empty."""
    if key_path and not path:
        raise ImproperlyConfigured(f"{prefix}_KEY_FILE is set without {prefix}_CERT_FILE.")
    if path:
        try:
            # A key behind a password would be asked for on the terminal.
            ssl.create_default_context().load_cert_chain(path, key_path or None, password="")
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(_file(f"{prefix}_CERT_FILE", path, error)) from None
    return path, key_path


def _file(name: str, path: str, error: Exception) -> str:
    why = error.strerror if isinstance(error, FileNotFoundError) else f"{error}"
    return f"{name} is {path}, which can't be used: {why}."
