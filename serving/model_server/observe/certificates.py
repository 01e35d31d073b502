"""When a certificate ends: read from its DER (X.509, RFC 5280), which the standard library does not show."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Iterator
from typing import Final

from serving.model_server.versions.config_files import Tls

_SOON_DAYS: Final = 30
_DAY_S: Final = 86400.0
_VERSION, _UTC_TIME = 0xA0, 0x17


def expires(pem: str) -> float | None:
    """Unix seconds at which the first certificate of a PEM text ends; None if there is none to be read."""
    found = re.search(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", pem)
    if found is None:
        return None
    try:
        der = base64.b64decode(found[1])
        at = _inside(der, _inside(der, 0))  # Certificate, TBSCertificate
        for _ in range(3 + (der[at] == _VERSION)):  # version, serialNumber, signature, issuer
            at = _element(der, at)[2]
        tag, begin, end = _element(der, _element(der, _inside(der, at))[2])  # Validity: notBefore, notAfter
        text = der[begin:end].decode()
        form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
        return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.UTC).timestamp()
    except (IndexError, ValueError):
        return None


def _inside(der: bytes, at: int) -> int:
    return _element(der, at)[1]


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, and where the content begins and ends."""
    tag, length = der[at], der[at + 1]
    at += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(der[at : at + count], "big")
        at += count
    return tag, at, at + length


def warnings(tls: Tls, now: float) -> Iterator[str]:
    """What an operator should know of an SSLConfig before clients find it out.

    Args:
      tls: as it was read.
      now: Unix time in seconds.
    """
    for name, pem in (("server_cert", tls.server_cert), ("custom_ca", tls.custom_ca)):
        end = expires(pem)
        days = _SOON_DAYS if end is None else (end - now) / _DAY_S
        if pem and end is None:
            yield f"{name} of --ssl_config_file: when it ends cannot be read"
        elif days < 0:
            yield f"{name} of --ssl_config_file ended {-days:.0f} days ago: clients refuse it"
        elif days < _SOON_DAYS:
            yield f"{name} of --ssl_config_file ends in {days:.0f} days"
    if tls.custom_ca and not tls.client_verify:
        yield (
            "--ssl_config_file has a custom_ca, but client_verify is false: clients without a certificate "
            "are answered"
        )
