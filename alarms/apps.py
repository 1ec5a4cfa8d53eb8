from django.apps import AppConfig
from django.conf import settings


class AlarmsConfig(AppConfig):
    name = "alarms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alarms.evaluator.events import judge_events
        from alarms.outbox import OLD_ROWS
        from alarms.retention import history_rules
        from meters.housekeeping import RULES
        from meters.store.events import LISTENERS

        RULES.extend([*OLD_ROWS, *history_rules(settings.TELEMETRY_ALARM_HISTORY_DAYS)])
        LISTENERS.append(judge_events)
