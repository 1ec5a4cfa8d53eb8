"""Entry point of every command; the settings follow the command (an agent's have no database)."""

import io
import os
import sys

from telemetry_site.roles import ROLES, adopt, prepare_environment, settings_module
from telemetry_site.texts import visible

AGENT_COMMANDS = {
    "check_definitions",
    "consume_notifications",
    "poll_once",
    "send_notification",
    "send_sample",
}


def choose_settings(command: str, argument: str) -> None:
    """Set the environment that must stand before anything of Django is imported."""
    if command == "role" and argument in ROLES:
        prepare_environment(ROLES[argument])
    elif command == "nursery":
        os.environ["DJANGO_SETTINGS_MODULE"] = settings_module(argument)
        adopt(f"nursery-{argument}")
    module = settings_module("agent" if command in AGENT_COMMANDS else "server")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", module)


def main() -> None:
    command, argument, *_ = [*sys.argv[1:], "", ""]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files and arguments may be anything; to show one must not end a command.
        sys.stdout.reconfigure(errors="backslashreplace")
    choose_settings(command, argument)
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018 (a wrong setting is found here, not in a traceback)
    except (ImproperlyConfigured, ValueError, OSError) as error:
        sys.exit(f"Wrong setting: {error}")
    if command == "up":  # a supervisor needs no models: without them it is up a second earlier
        from telemetry_site.management.commands.up import Command

        Command().run_from_argv(sys.argv)
    else:
        from django.core.management import execute_from_command_line

        try:
            execute_from_command_line(sys.argv)
        except UnicodeEncodeError:
            wrong = [one for one in sys.argv[1:] if not _is_utf8(one)]
            if not wrong:
                raise
            sys.exit(f"An argument is not UTF-8: {visible(wrong[0])}")


def _is_utf8(argument: str) -> bool:
    """Other bytes come as halves of surrogate pairs, which no database and no terminal takes."""
    return argument.encode("utf-8", "replace").decode() == argument


if __name__ == "__main__":
    main()
