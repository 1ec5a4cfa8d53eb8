"""What must hold for every list: a test class inherits it all by naming its list."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from tests.api.people import CANARY, Client, error_of
from tests.api.world import World

ClientOf = Callable[..., Client]


class ListCases:
    """Set `path`; `key` tells rows apart; `orderings` maps a name to what a row is ordered by.

    `filters` maps a query (as text) to the number of rows the reader finds.
    """

    path: ClassVar[str]
    key: ClassVar[str]
    #: Who reads; administrators where rows belong to no project.
    owner: ClassVar[str] = "reader"
    admin_only: ClassVar[bool] = False
    orderings: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    filters: ClassVar[dict[str, int]] = {}
    bad_filters: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(autouse=True)
    def _stored(self, world: World) -> None:
        """Every case has the data."""

    @pytest.fixture
    def client(self, as_: ClientOf) -> Client:
        return as_(self.owner)

    def _keys(self, client: Client, **query: Any) -> list[Any]:
        return self._of(client.fetch(self.path, **query))

    def test_it_has_something_to_list(self, client: Client) -> None:
        assert self._keys(client)

    def test_pages_follow_each_other_without_gap_or_repetition(self, client: Client) -> None:
        everything = self._keys(client)
        found, url = [], f"{self.path}?limit=1"
        while url:
            page = client.fetch(url)
            assert len(page["results"]) <= 1
            found += [row[self.key] for row in page["results"]]
            url = page["next"]
        assert found == everything

    def test_the_way_back_is_the_same_pages(self, client: Client) -> None:
        url = f"{self.path}?limit=1"
        pages = []
        while url:
            page = client.fetch(url)
            pages.append(page)
            url = page["next"]
        for earlier, later in itertools.pairwise(pages):
            back = client.fetch(later["previous"])
            assert self._of(back) == self._of(earlier)

    def _of(self, page: Any) -> list[Any]:
        return [row[self.key] for row in page["results"]]

    def test_links_stand_in_the_header_too(self, client: Client) -> None:
        answer = client.get(self.path, {"limit": 1})
        following = answer.json()["next"]
        if following:
            assert answer["Link"] == f'<{following}>; rel="next"'

    @pytest.mark.parametrize("limit", ["0", "-1", "1001", "5.0", "x", "\uff11", "", "9" * 5000])
    def test_a_bad_limit_is_refused(self, client: Client, limit: str) -> None:
        assert client.refused(self.path, limit=limit)["errors"][0]["field"] == "limit"

    @pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwibmV4dCIsW11d", "%00", "é", "a" * 900])
    def test_a_made_up_cursor_is_refused(self, client: Client, cursor: str) -> None:
        assert client.refused(self.path, cursor=cursor)["errors"][0]["field"] == "cursor"

    def test_each_ordering_orders(self, client: Client) -> None:
        for name, value in self.orderings.items():
            rows = client.fetch(self.path, ordering=name)["results"]
            keys = [value(row) for row in rows]
            assert keys == sorted(keys, reverse=name.startswith("-")), name

    @pytest.mark.parametrize(
        "name", ["nosuch", "-", "id; DROP TABLE x", "?", "pk", "user__password"]
    )
    def test_an_unknown_ordering_is_refused(self, client: Client, name: str) -> None:
        assert client.refused(self.path, ordering=name)["errors"][0]["field"] in (
            "ordering",
            "order",
        )

    def test_each_filter_filters(self, client: Client) -> None:
        for query, count in self.filters.items():
            rows = client.fetch(f"{self.path}?{query}")["results"]
            assert len(rows) == count, (query, rows)

    def test_a_bad_filter_is_refused_and_named(self, client: Client) -> None:
        for query in self.bad_filters:
            name = query.partition("=")[0]
            found = error_of(client.get(f"{self.path}?{query}"), 400)
            assert found["errors"][0]["field"] == name, query

    @pytest.mark.parametrize("name", ["nosuch", "q__contains", "_connector", "a[]", "метрика"])
    def test_an_unknown_parameter_is_refused_by_name(self, client: Client, name: str) -> None:
        found = client.refused(self.path, **{name: "1"})
        assert found["errors"][0]["field"] == name

    def test_a_repeated_parameter_is_refused(self, client: Client) -> None:
        found = error_of(client.get(f"{self.path}?limit=1&limit=2"), 400)
        assert found["errors"][0]["field"] == "limit"

    def test_anonymous_is_asked_to_authenticate(self) -> None:
        answer = Client().get(self.path)
        error_of(answer, 401)
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_person_without_project_is_refused(self, as_: ClientOf) -> None:
        as_("nobody").refused(self.path, 403)

    def test_a_stranger_sees_nothing_of_it(self, as_: ClientOf, client: Client) -> None:
        if self.admin_only:
            for name in ("stranger", "member", "reader"):
                as_(name).refused(self.path, 403)
            return
        own = {str(row) for row in client.fetch(self.path)["results"]}
        assert not own & {str(row) for row in as_("stranger").fetch(self.path)["results"]}
        answer = client.get(self.path)
        assert CANARY not in answer.content.decode() + str(answer.headers)

    def test_the_scope_read_is_needed(self, as_: ClientOf) -> None:
        as_(self.owner, "ingest", "alarms").refused(self.path, 403)
        if not self.admin_only:
            as_(self.owner, "read").fetch(self.path)

    def test_nothing_else_is_allowed(self, client: Client) -> None:
        error_of(client.put(self.path, {}, format="json"), 405)
        error_of(client.patch(self.path, {}, format="json"), 405)

    def test_answers_differ_by_who_asks_for_every_cache(self, client: Client) -> None:
        answer = client.get(self.path)
        assert {"authorization", "cookie"} <= {
            name.strip().lower() for name in answer["Vary"].split(",")
        }
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Openstack-Request-Id"].startswith("req-")
