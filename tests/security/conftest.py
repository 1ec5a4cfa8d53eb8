"""The same people, clients and data as in the API's tests."""

from tests.api.conftest import (  # noqa: F401 - fixtures
    admin,
    as_,
    made_once,
    member,
    people,
    reader,
    stranger,
    world,
)
