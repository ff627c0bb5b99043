"""The image store on S3, against a local moto server."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from support.tasks import asynchronous, new_tasks, poll_of, wait_for_outcome
from tilewright import Upscaler
from tilewright.errors import SourceError, StoreError
from tilewright.store.image_store import ImageStore

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("s3fs", "moto", "flask")),
    reason='needs s3fs and moto: pip install s3fs "moto[server]"',
)

# Ends when its stdin is closed, so that it does not outlive the tests.
SERVER = textwrap.dedent("""
    import sys
    from moto.server import ThreadedMotoServer
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(*server.get_host_and_port(), flush=True)
    sys.stdin.read()
""")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Starts the server and sets the AWS variables, so that no account of the user is touched."""
    nowhere = str(tmp_path_factory.mktemp("aws") / "none")
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # one line per request
            text=True,
        ) as process,
    ):
        host, port = process.stdout.readline().split()
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "FSSPEC_S3_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": host,
            "no_proxy": host,
        }.items():
            patch.setenv(name, value)
        yield f"http://{host}:{port}"
        process.stdin.close()


@pytest.fixture(scope="module")
def bucket(server):  # noqa: ARG001
    import s3fs

    name = f"images-{uuid.uuid4()}"
    s3fs.S3FileSystem(use_listings_cache=False).mkdir(name)
    return name


@pytest.fixture
def location(bucket):
    return f"s3://{bucket}/{uuid.uuid4()}/results"


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "gif"])
def test_put_and_get(location, extension):
    data = bytes(range(256)) * 1000
    image_uuid = ImageStore(location).put(data, extension)
    assert ImageStore(location).get(image_uuid.upper()) == data
    assert ImageStore(f"{location}/").get(image_uuid) == data


def test_bucket_as_store(bucket):
    store = ImageStore(f"s3://{bucket}", ttl=3600)
    assert store.get(store.put(b"x", "png")) == b"x"
    assert store.expire() == 0


def test_processes_on_one_bucket_answer_for_each_other(location, upscaler_for):
    network = upscaler_for(device="cpu").session(factor=2)
    first, second = (Upscaler(device="cpu", store=location) for _ in range(2))
    for each in (first, second):
        each._networks.session = lambda *_: network
    task = asynchronous(new_tasks(1)[0])
    first.run(task)
    expected = wait_for_outcome(first, task)
    assert expected["data"][0]["status"] == "success"
    assert second.run(poll_of(task)) == expected
    heartbeat = first._runner._outcomes.heartbeat
    heartbeat.start()
    assert second._runner._outcomes.heartbeat.is_alive(heartbeat.process)
    heartbeat.stop()
    heartbeat.end()
    assert not second._runner._outcomes.heartbeat.is_alive(heartbeat.process)


def test_unknown_image_raises_source_error(location):
    for store in (ImageStore(location), ImageStore(location, ttl=60)):
        for action in (store.get, store.url, store.delete):
            with pytest.raises(SourceError, match="no image") as caught:
                action(str(uuid.uuid4()))
            assert caught.value.code == "invalidInputImage"
        store.put(b"x", "png")


def test_url_is_signed_and_works(location, server):
    store = ImageStore(location, ttl=120)
    url = store.url(store.put(b"content", "png"))
    assert url.startswith(f"{server}/")
    query = parse_qs(urlsplit(url).query)
    assert "X-Amz-Signature" in query or "Signature" in query
    assert query.get("X-Amz-Expires", ["120"]) == ["120"]
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert reply.read() == b"content"


def test_public_url_is_preferred(location):
    store = ImageStore(location, public_url="https://img.example.org")
    image_uuid = store.put(b"x", "png")
    assert store.url(image_uuid) == f"https://img.example.org/{image_uuid}.png"


def test_changes_by_another_process_are_seen(location):
    """The driver must not cache listings."""
    store = ImageStore(location, ttl=3600)
    image_uuid = store.put(b"x", "png")
    assert store.expire() == 0
    program = textwrap.dedent("""
        import sys
        from tilewright.store.image_store import ImageStore
        store = ImageStore(sys.argv[1])
        assert store.get(sys.argv[2]) == b"x"
        store.delete(sys.argv[2])
        print(store.put(b"y", "png"))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, location, image_uuid], capture_output=True, text=True, check=True
    )
    with pytest.raises(SourceError, match="no image"):
        store.url(image_uuid)
    assert store.get(done.stdout.strip()) == b"y"


def test_ttl_counts_from_the_upload(location, pass_time):
    store = ImageStore(location, ttl=3600)
    old = store.put(b"old", "png")
    assert store.get(old) == b"old"
    pass_time(3590)
    assert store.get(old) == b"old"
    assert store.expire() == 0
    pass_time(20)
    with pytest.raises(SourceError, match="no image"):
        store.get(old)
    pass_time(60)
    assert store.expire() == 1
    assert store.expire() == 0
    with pytest.raises(SourceError, match="no image"):
        ImageStore(location).get(old)


def test_missing_bucket_is_a_store_error(server):  # noqa: ARG001
    import s3fs

    name = f"no-such-bucket-{uuid.uuid4()}"
    for location in (f"s3://{name}", f"s3://{name}/images", f"s3://{name}/images/new"):
        with pytest.raises(StoreError, match="cannot be written"):
            ImageStore(location).put(b"x", "png")
    assert not s3fs.S3FileSystem(use_listings_cache=False).exists(name)


def test_refused_request_is_a_store_error(location, monkeypatch):
    from botocore.exceptions import ClientError

    store = ImageStore(location)
    image_uuid = store.put(b"x", "png")
    refusal = ClientError({"Error": {"Code": "SlowDown", "Message": "Please reduce your request rate"}}, "HeadObject")

    async def refuse(*_, **__):
        raise refusal

    monkeypatch.setattr("s3fs.S3FileSystem._call_s3", refuse)
    with pytest.raises(StoreError, match="reduce your request rate"):
        store.url(image_uuid)


def test_unreachable_server_is_a_store_error(monkeypatch, server):  # noqa: ARG001
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:9"):
            ImageStore("s3://images").get(str(uuid.uuid4()))
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
