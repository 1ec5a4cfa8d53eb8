"""ceilometer 9.0.7's own API and storage, without its agents. Runs in an environment that has it.

Of its configuration only what these two read is registered: the whole would load every agent, and
the clients of all the services that those ask. No Keystone: roles come in headers, as its own
tests send them, and the policy lets everybody in.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import ceilometer.publisher.utils
import ceilometer.sample
import ceilometer.storage
import oslo_messaging
from ceilometer.api import app
from ceilometer.api.controllers.v2 import root
from ceilometer.storage.impl_sqlalchemy import Connection
from ceilometer.storage.sqlalchemy import models
from oslo_config import cfg
from oslo_db import options as database_options
from oslo_policy import opts as policy_options

#: Python 3.11 has it no more.
inspect.getargspec = lambda function: inspect.getfullargspec(function)[:4]  # type: ignore[attr-defined]
POLICY = '{"context_is_admin": "role:admin", "segregation": "rule:context_is_admin", "default": ""}'


def configured(folder: Path, database: str) -> Any:
    """`database` is a URL of SQLAlchemy's."""
    conf = cfg.ConfigOpts()
    policy = folder / "policy.json"
    policy.write_text(POLICY)
    conf.register_opts(ceilometer.sample.OPTS)
    conf.register_opts(ceilometer.storage.OPTS, group="database")
    conf.register_opts(app.API_OPTS, group="api")
    conf.register_opts(root.API_OPTS, group="api")
    conf.register_opts(ceilometer.publisher.utils.OPTS, group="publisher")
    conf.register_opts([cfg.StrOpt("telemetry_driver", default="noop")], group="publisher_notifier")
    conf.register_opts([cfg.MultiStrOpt("meter_dispatchers", default=["database"])])
    conf([], project="ceilometer", default_config_files=[])
    policy_options.set_defaults(conf, policy_file=str(policy))
    database_options.set_defaults(conf)
    conf.set_override("connection", database, group="database")
    conf.set_override("gnocchi_is_enabled", False, group="api")
    conf.set_override("aodh_is_enabled", False, group="api")
    conf.set_override("panko_is_enabled", False, group="api")
    oslo_messaging.TransportURL.parse(conf, "fake://")  # registers what is set next
    conf.set_override("transport_url", "fake://")
    return conf


def connected(conf: Any) -> Any:
    """Its storage, with the tables made as its own upgrade makes those of a new installation."""
    connection = Connection(conf, conf.database.connection)
    models.Base.metadata.create_all(connection._engine_facade.get_engine())
    return connection


def application(conf: Any) -> Any:
    """WSGI."""
    return app.setup_app(conf=conf)
