"""When certificates end, and what is said of it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from support.servers.certificates import Authority

from serving.model_server.observe import certificates
from serving.model_server.versions.config_files import Tls

DAY = 86400.0


def pem(tmp_path: Path) -> str:
    return Path(Authority(tmp_path).issue("server").certificate).read_text()


def test_the_end_is_that_of_the_certificate(tmp_path: Path) -> None:
    text = pem(tmp_path)
    end = x509.load_pem_x509_certificate(text.encode()).not_valid_after_utc
    assert certificates.expires(text) == end.replace(tzinfo=datetime.UTC).timestamp()
    assert certificates.expires(f"a comment\n{text}{text}") == certificates.expires(text)


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"])
def test_what_is_none_has_no_end(text: str) -> None:
    assert certificates.expires(text) is None


def test_an_operator_is_told_before_clients_find_out(tmp_path: Path) -> None:
    text = pem(tmp_path)
    end = certificates.expires(text)
    assert end is not None

    def said(now: float, ca: str = "", verify: bool = True) -> list[str]:
        return list(certificates.warnings(Tls("key", text, ca, verify), now))

    assert said(end - 31 * DAY) == []
    assert said(end - 10 * DAY) == ["server_cert of --ssl_config_file ends in 10 days"]
    assert said(end + 2 * DAY) == ["server_cert of --ssl_config_file ended 2 days ago: clients refuse it"]
    assert said(end - 31 * DAY, ca="nothing") == [
        "custom_ca of --ssl_config_file: when it ends cannot be read"
    ]
    [unverified] = said(end - 31 * DAY, ca=text, verify=False)
    assert "clients without a certificate are answered" in unverified
