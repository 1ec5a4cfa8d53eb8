"""Runs in ceilometer's environment: fills its tables, says `ready`, serves its API.

    python -m bench.peers.ceilometer_server FOLDER DATABASE PORT RESOURCES MINUTES FIRST_US

Its own way of storing takes three to four statements a sample, so a million of them would take the
better part of an hour: the rows are made in SQL, as that way leaves them.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import sqlalchemy

from bench.peers.ceilometer_app import application, configured, connected

#: The same ids and values as bench/classic_load.py's.
FILL = """
INSERT INTO meter (id, name, type, unit) VALUES (1, 'shared', 'gauge', '%%');
INSERT INTO resource (internal_id, resource_id, user_id, project_id, source_id, resource_metadata,
                      metadata_hash)
SELECT n + 1, lpad(to_hex(n), 8, '0') || '-0000-4000-8000-' || lpad(to_hex(n), 12, '0'),
    'user-' || n %% 7, 'project-' || lpad((n / 100)::text, 4, '0'), 'openstack',
    '{{"display_name": "name ' || n || '"}}', md5(n::text)
FROM generate_series(0, {resources} - 1) AS n;
INSERT INTO metadata_text (id, meta_key, value)
SELECT internal_id, 'display_name', 'name ' || internal_id - 1 FROM resource;
INSERT INTO sample (meter_id, resource_id, volume, timestamp, recorded_at, message_signature,
                    message_id)
SELECT 1, n + 1, (n * 7 + minute * 13) %% 1000 / 4.0,
    timestamp '1970-01-01'
        + ({first_us}::bigint + minute::bigint * 60000000) * interval '1 microsecond',
    now() AT TIME ZONE 'UTC', '', gen_random_uuid()::text
FROM generate_series(0, {minutes} - 1) AS minute, generate_series(0, {resources} - 1) AS n;
"""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(folder: str, database: str, port: str, *numbers: str) -> None:
    """`numbers`: resources, minutes, and when the first of those is."""
    logging.disable()
    conf = configured(Path(folder), database)
    connected(conf)
    engine = sqlalchemy.create_engine(database)
    figures = dict(zip(("resources", "minutes", "first_us"), map(int, numbers), strict=True))
    with engine.begin() as connection:
        for statement in FILL.format(**figures).split(";\n")[:-1]:
            connection.execute(statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute("VACUUM ANALYZE")
    server = make_server("127.0.0.1", int(port), application(conf), Server, Quiet)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
