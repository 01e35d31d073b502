from __future__ import annotations

import pytest

from serving.client import address


@pytest.mark.parametrize(
    ("text", "protocol", "target"),
    [
        ("localhost:8500", "grpc", "localhost:8500"),
        ("10.0.0.3:1", "grpc", "10.0.0.3:1"),
        ("[::1]:8500", "grpc", "[::1]:8500"),
        ("unix:/run/marquee.sock", "grpc", "unix:/run/marquee.sock"),
        ("unix:relative.sock", "grpc", "unix:relative.sock"),
        ("http://localhost:8501", "rest", "http://localhost:8501"),
        ("https://models.example/tfs/", "rest", "https://models.example/tfs"),
    ],
)
def test_the_form_says_the_protocol(text, protocol, target):
    found = address.parse(text)
    assert (found.text, found.protocol, found.target) == (text, protocol, target)
    assert found.encrypted == text.startswith("https")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost", "no address of a server"),
        ("localhost:", "no address of a server"),
        ("localhost:grpc", "Port could not be cast"),
        ("localhost:99999", "Port out of range"),
        (":8500", "no address of a server"),
        ("localhost:8500/v1", "no address of a server"),
        ("grpc://localhost:8500", 'the scheme "grpc"'),
        ("http://", "no address of a server"),
        ("http://host:8501?x=1", "no address of a server"),
        ("unix:", "names no socket"),
        ("", "no address of a server"),
    ],
)
def test_what_is_no_address_is_told_the_forms(text, reason):
    with pytest.raises(
        ValueError, match="expected host:port or unix:PATH for gRPC, http://host:port"
    ) as error:
        address.parse(text)
    assert reason in str(error.value)
