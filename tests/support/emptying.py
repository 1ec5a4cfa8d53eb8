"""The database as a new installation has it, after a test that committed.

Django empties all tables, and then makes every permission and content type anew. Here only those
tables are emptied that have anything in their files; what migrating put into the rest stays.
"""

from __future__ import annotations

from functools import cache

from django.db import connection

from meters.models import CatalogueEpoch, ResourceType
from tests.support.head import TABLES as HEAD
from tests.support.head import empty_head

#: What migrating fills and no test changes.
_KEPT = {"auth_permission", "django_content_type"}
_USED = """
SELECT relname FROM pg_class
WHERE oid = ANY(%s::regclass[]) AND pg_relation_size(oid) > 0
"""


def empty_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_USED, [[*_tables(), *HEAD]])
        found = {name for (name,) in cursor.fetchall()}
        if not found.isdisjoint(HEAD):
            empty_head()
        used = [connection.ops.quote_name(name) for name in sorted(found.difference(HEAD))]
        if used:
            cursor.execute(f"TRUNCATE {', '.join(used)} CASCADE")
    CatalogueEpoch.objects.get_or_create(pk=1)
    ResourceType.objects.get_or_create(name="generic")


@cache
def _tables() -> list[str]:
    """Those of models, which the head's are not."""
    return sorted(set(connection.introspection.django_table_names()) - _KEPT)
