"""Fetching over https: certificates are verified for the host name."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest

from support.http_server import PNG, refusal, serving
from tilewright.inputs.fetch import fetch


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Returns the files of a self-signed certificate for pictures.test and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=pictures.test", "-addext", "subjectAltName=DNS:pictures.test",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    requested = []
    context.sni_callback = lambda _socket, name, _context: requested.append(name)
    with serving(context=context) as server:
        server.sni = requested
        yield server


def test_host_name_is_verified_at_the_checked_address(tls_server, names, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    names["pictures.test"] = names["other.test"] = [["127.0.0.1"]]
    tls_server.reply("/a", PNG)
    port = tls_server.server_port
    allow = (f"pictures.test:{port}", f"other.test:{port}")
    assert fetch(f"https://pictures.test:{port}/a", allow=allow) == PNG
    assert tls_server.sni == ["pictures.test"]
    assert "certificate is not valid" in refusal(f"https://other.test:{port}/a", allow=allow)
    tls_server.redirect("/a", f"http://pictures.test:{port}/b")
    assert "from https to http" in refusal(f"https://pictures.test:{port}/a", allow=allow)
    tls_server.redirect("/a", "/b")
    tls_server.reply("/b", PNG)
    assert fetch(f"https://pictures.test:{port}/a", allow=allow) == PNG


def test_untrusted_certificate_is_refused(tls_server, names):
    names["pictures.test"] = [["127.0.0.1"]]
    authority = f"pictures.test:{tls_server.server_port}"
    assert "certificate is not valid" in refusal(f"https://{authority}/a", allow=(authority,))
    assert tls_server.seen == []


def test_https_to_a_plain_http_server(server):
    server.reply("/a", PNG)
    assert "no encrypted connection" in refusal(f"https://{server.authority}/a", allow=(server.authority,))
