"""`GET /images/NAME` over sockets of this machine, from a folder and from another store."""

from __future__ import annotations

import io
import uuid

import pytest

pytest.importorskip("starlette", reason="needs the extra server")

from PIL import Image

from support.running_server import running_server
from support.server_tasks import picture, task


@pytest.fixture(scope="module", params=["folder", "memory"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") if request.param == "folder" else f"memory://{uuid.uuid4()}"
    with running_server(folder) as server:
        yield server


@pytest.fixture(scope="module")
def stored(server):
    """Path and content of a result."""
    _, response = server.call([task(outputFormat="PNG", outputType=["base64Data", "URL"])])
    path = response["data"][0]["imageURL"].removeprefix(server.http)
    return path, server.request(path)[2]


def test_an_image_does_not_change(server, stored):
    path, content = stored
    status, headers, _ = server.request(path)
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in headers["Cache-Control"]
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (16, 12)
    status, headers, body = server.request(path, headers={"If-None-Match": headers["ETag"]})
    assert (status, body) == (304, b"")
    assert server.request(path, headers={"If-None-Match": '"other"'})[0] == 200


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("2-5", slice(2, 6)),
        ("0-0", slice(0, 1)),
        ("9-", slice(9, None)),
        ("-7", slice(-7, None)),
        ("5-9999999", slice(5, None)),
        ("-9999999", slice(None)),
    ],
)
def test_a_part_can_be_asked_for(server, stored, asked, part):
    path, content = stored
    status, headers, body = server.request(path, headers={"Range": f"bytes={asked}"})
    assert (status, body) == (206, content[part])
    start = content.index(body) if body != content else 0
    assert headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(content)}"
    assert (headers["Accept-Ranges"], headers["Content-Type"]) == ("bytes", "image/png")


def test_parts_that_an_image_does_not_have(server, stored):
    path, content = stored
    status, headers, _ = server.request(path, headers={"Range": f"bytes={len(content)}-"})
    assert (status, headers["Content-Range"]) == (416, f"bytes */{len(content)}")
    status, _, body = server.request(path, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (status, body) == (200, content)


def test_an_image_has_one_address(server, stored):
    path, _ = stored
    for other in ("jpg", "webp", "gif", "heic"):
        assert server.request(path.replace(".png", f".{other}"))[0] == 404


def test_an_image_whose_address_was_told_to_nobody_is_not_found(server):
    _, response = server.call([task(outputFormat="PNG", outputType="base64Data", inputImage=picture(seed=9))])
    image_uuid = response["data"][0]["imageUUID"]
    assert server.upscaler.store.get(image_uuid)
    for name in (f"{image_uuid}.png", f"temporary-{image_uuid}.png"):
        assert server.request(f"/images/{name}")[0] == 404
