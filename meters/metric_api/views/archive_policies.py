"""``/v1/archive_policy`` and ``/v1/archive_policy_rule``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters import archive_policies
from meters.archive_policies import PolicyError, policy_json, rule_json
from meters.metric_api import policy_schemas
from meters.metric_api.base import GOVERNING, MetricView
from meters.metric_api.errors import ApiError, bad_request, conflict, not_found, refusal
from meters.metric_api.finding import require
from meters.models import ArchivePolicy, ArchivePolicyRule


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PolicyError as error:
        raise bad_request(str(error)) from error


@contextmanager
def _unless_taken(error: ApiError) -> Iterator[None]:
    """A transaction; the error instead of the database's when a name is there already."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as cause:
        raise error from cause


def _policy(name: str, lock: bool = False) -> ArchivePolicy:
    rows = ArchivePolicy.objects.select_for_update() if lock else ArchivePolicy.objects.all()
    policy: ArchivePolicy | None = rows.filter(name=name).first()
    if policy is None:
        raise not_found(f"Archive policy {name} does not exist")
    return policy


def _rule(name: str) -> ArchivePolicyRule:
    rows = ArchivePolicyRule.objects.select_related("archive_policy")
    rule: ArchivePolicyRule | None = rows.filter(name=name).first()
    if rule is None:
        raise not_found(f"Archive policy rule {name} does not exist")
    return rule


class Policies(MetricView):
    scopes = GOVERNING

    def get(self, request: Request) -> HttpResponse:
        require("list archive policy", self.caller)
        return self.answer([policy_json(row) for row in ArchivePolicy.objects.order_by("name")])

    def post(self, request: Request) -> HttpResponse:
        require("create archive policy", self.caller)
        body = self.body(policy_schemas.POLICY)
        name = body["name"]
        with _told():
            definition = archive_policies.define(body["definition"])
        with _unless_taken(conflict(f"Archive policy {name} already exists")):
            policy = ArchivePolicy.objects.create(
                name=name,
                back_window=body.get("back_window", 0),
                definition=definition,
                aggregation_methods=body["aggregation_methods"],
            )
        return self.created(policy_json(policy), self.url("archive_policy", name))


class Policy(MetricView):
    scopes = GOVERNING

    def get(self, request: Request, name: str) -> HttpResponse:
        require("get archive policy", self.caller)
        return self.answer(policy_json(_policy(name)))

    def patch(self, request: Request, name: str) -> HttpResponse:
        require("update archive policy", self.caller)
        body = self.body(policy_schemas.POLICY_CHANGE)
        with transaction.atomic():
            policy = _policy(name, lock=True)
            with _told():
                archive_policies.redefine(policy, archive_policies.define(body["definition"]))
            policy.back_window = body.get("back_window", policy.back_window)
            policy.save()
        return self.answer(policy_json(policy))

    def delete(self, request: Request, name: str) -> HttpResponse:
        require("delete archive policy", self.caller)
        with transaction.atomic():
            policy = _policy(name, lock=True)
            if policy.rules.exists() or policy.metrics.exists():
                raise bad_request(f"Archive policy {name} is still in use")
            policy.delete()
        return self.no_content()


class Rules(MetricView):
    scopes = GOVERNING

    def get(self, request: Request) -> HttpResponse:
        require("list archive policy rule", self.caller)
        return self.answer([rule_json(rule) for rule in archive_policies.rules_in_order()])

    def post(self, request: Request) -> HttpResponse:
        require("create archive policy rule", self.caller)
        body = self.body(policy_schemas.RULE)
        name, policy_name = body["name"], body["archive_policy_name"]
        with _unless_taken(conflict(f"Archive policy rule {name} already exists")):
            policy = ArchivePolicy.objects.filter(name=policy_name).first()
            if policy is None:
                raise refusal("Archive policy does not exist", detail=policy_name)
            rule = ArchivePolicyRule.objects.create(
                name=name, archive_policy=policy, metric_pattern=body["metric_pattern"]
            )
        return self.created(rule_json(rule), self.url("archive_policy_rule", name))


class Rule(MetricView):
    scopes = GOVERNING

    def get(self, request: Request, name: str) -> HttpResponse:
        require("get archive policy rule", self.caller)
        return self.answer(rule_json(_rule(name)))

    def patch(self, request: Request, name: str) -> HttpResponse:
        require("update archive policy rule", self.caller)
        new = self.body(policy_schemas.RULE_CHANGE)["name"]
        rule = _rule(name)
        taken = bad_request(
            f"Archive policy rule {name} does not support change: "
            f"Archive policy rule {new} already exists."
        )
        with _unless_taken(taken):
            rule.name = new
            rule.save(update_fields=["name"])
        return self.answer(rule_json(rule))

    def delete(self, request: Request, name: str) -> HttpResponse:
        require("delete archive policy rule", self.caller)
        _rule(name).delete()
        return self.no_content()
