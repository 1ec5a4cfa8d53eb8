"""What a tenant does, with the services' own clients: an image uploaded and fetched, a volume with
a snapshot made, an object stored and fetched, and a login with a wrong password. Takes Keystone's
URL, user (whose password is the name) and project, and the sizes of image and object in bytes, of
the volume in GiB; prints the ids of what was made as JSON.

Run by the Python of the cloud's environment.
"""

from __future__ import annotations

import io
import json
import sys
import time
from typing import Any

import swiftclient
from cinderclient import client as cinderclient
from glanceclient import client as glanceclient
from keystoneauth1.exceptions import Unauthorized
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

READY_WITHIN_S = 60.0


def main(auth_url: str, user: str, project: str, *sizes: str) -> None:
    of_image, of_object, of_volume = map(int, sizes)
    names: dict[str, Any] = {"user_domain_name": "Default", "project_domain_name": "Default"}
    login = {"auth_url": auth_url, "username": user, "project_name": project, **names}
    session = Session(Password(password=user, **login))
    made = images(session, of_image) | volumes(session, of_volume)
    objects(session, of_object)
    try:
        Session(Password(password="wrong", **login)).get_token()
    except Unauthorized:
        print(json.dumps(made))


def images(session: Session, size: int) -> dict[str, str]:
    glance = glanceclient.Client("2", session=session)
    image = glance.images.create(name="cirros", disk_format="raw", container_format="bare")
    glance.images.upload(image.id, io.BytesIO(bytes(size)))
    assert len(b"".join(glance.images.data(image.id))) == size
    return {"image": image.id}


def volumes(session: Session, gib: int) -> dict[str, str]:
    cinder = cinderclient.Client("3", session=session)
    volume = cinder.volumes.create(gib, name="data")
    wait_available(cinder.volumes, volume.id)
    snapshot = cinder.volume_snapshots.create(volume.id, name="before")
    wait_available(cinder.volume_snapshots, snapshot.id)
    return {"volume": volume.id, "snapshot": snapshot.id}


def wait_available(kind: Any, name: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while (status := kind.get(name).status) != "available":
        if status == "error" or time.monotonic() > deadline:
            raise SystemExit(f"{name} is {status}")
        time.sleep(0.5)


def objects(session: Session, size: int) -> None:
    swift = swiftclient.Connection(session=session)
    swift.put_container("c1")
    swift.put_object("c1", "o1", contents=bytes(size))
    assert len(swift.get_object("c1", "o1")[1]) == size


if __name__ == "__main__":
    main(*sys.argv[1:])
