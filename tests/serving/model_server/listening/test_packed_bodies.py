"""Packed bodies beside what zlib makes of them as a whole."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.model_server.listening.packed_bodies import Unpacker


def packed(plain: bytes, kind: str) -> tuple[bytes, str]:
    """The body and its Content-Encoding."""
    if kind == "gzip":
        return gzip.compress(plain), "gzip"
    stream = zlib.compressobj(wbits=15 if kind == "zlib" else -15)
    return stream.compress(plain) + stream.flush(), "deflate"


def unpacked(body: bytes, encoding: str, size: int) -> bytes:
    unpacker = Unpacker(body, encoding)
    parts = []
    while not unpacker.ended:
        parts.append(unpacker.part(size))
        assert len(parts[-1]) <= size
    return b"".join(parts)


@given(
    plain=st.one_of(st.binary(max_size=500), st.integers(0, 5000).map(bytes)),
    kind=st.sampled_from(["gzip", "zlib", "bare"]),
    size=st.integers(1, 600),
)
def test_parts_make_up_the_whole(plain: bytes, kind: str, size: int) -> None:
    assert unpacked(*packed(plain, kind), size) == plain


@given(members=st.lists(st.binary(max_size=50), min_size=1, max_size=20), size=st.integers(1, 200))
def test_members_of_gzip_follow_each_other(members: list[bytes], size: int) -> None:
    assert unpacked(b"".join(map(gzip.compress, members)), "gzip", size) == b"".join(members)


@given(
    plain=st.binary(max_size=200),
    kind=st.sampled_from(["gzip", "zlib", "bare"]),
    cut=st.integers(1, 1000),
    size=st.integers(1, 600),
)
def test_a_body_that_was_cut_is_refused(plain: bytes, kind: str, cut: int, size: int) -> None:
    """Also where nothing but the check sum is missing: what came may then be anything."""
    body, encoding = packed(plain, kind)
    kept = len(body) - 1 - cut % len(body)
    with pytest.raises(ValueError, match=r"ends before|Error -3"):
        unpacked(body[:kept], encoding, size)


def test_what_follows_the_packed_bytes_is_refused() -> None:
    for kind in ("gzip", "zlib", "bare"):
        body, encoding = packed(b"{}", kind)
        with pytest.raises(ValueError, match="Error -3"):
            unpacked(body + b"\xff\xff\xff\xff" * 8, encoding, 100)


def test_members_without_end_are_refused_at_once() -> None:
    """A body of empty members held the thread of all large requests for minutes."""
    with pytest.raises(ValueError, match="more than 1,000 members"):
        Unpacker(gzip.compress(b"") * 100_000, "gzip").part(1 << 16)


def test_what_is_left_is_not_copied_with_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    make = zlib.decompressobj

    class Watched:
        def __init__(self, form: int) -> None:
            self._stream = make(form)

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            sizes.append(len(data))
            return self._stream.decompress(data, most)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    plain = random.Random(3).randbytes(1 << 20)
    assert unpacked(gzip.compress(plain), "gzip", 1000) == plain
    assert sum(sizes) < 8 * len(plain)
