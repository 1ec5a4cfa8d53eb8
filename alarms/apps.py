from django.apps import AppConfig


class AlarmsConfig(AppConfig):
    name = "alarms"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from alarms.evaluator.events import judge_events
        from alarms.outbox import OLD_ROWS
        from meters.housekeeping import RULES
        from meters.store.events import LISTENERS

        RULES.extend(OLD_ROWS)
        LISTENERS.append(judge_events)
