from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.expose.deflate import Deflated, deflate, gzip_member

TEXTS = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(lambda size: b"presto_up 1.0\n" * (size // 14)))


@given(st.lists(TEXTS, max_size=8))
def test_the_member_holds_the_texts_one_after_the_other(texts: list[bytes]) -> None:
    assert gzip.decompress(b"".join(gzip_member(map(deflate, texts)))) == b"".join(texts)


@given(st.lists(TEXTS, max_size=8))
def test_it_is_one_member_with_nothing_after_it(texts: list[bytes]) -> None:
    """Readers that know only one member, and check its CRC and length, get everything."""
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(b"".join(gzip_member(map(deflate, texts)))) == b"".join(texts)
    assert reader.eof
    assert not reader.unused_data


@given(st.lists(TEXTS, min_size=1, max_size=5), st.data())
def test_parts_may_be_used_again_in_any_order(texts: list[bytes], data: st.DataObject) -> None:
    parts = {text: deflate(text) for text in texts}
    order = data.draw(st.lists(st.sampled_from(texts), max_size=10))
    assert gzip.decompress(b"".join(gzip_member(parts[text] for text in order))) == b"".join(order)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_535, 65_536, 1_000_003])
def test_the_checksum_is_that_of_the_whole(size: int) -> None:
    first, second = b"a" * 1000, bytes(size)
    trailer = b"".join(gzip_member([deflate(first), deflate(second)]))[-8:]
    assert int.from_bytes(trailer[:4], "little") == zlib.crc32(first + second)


def test_the_length_of_more_than_four_gigabytes_is_told_modulo_their_number() -> None:
    """RFC 1952: ISIZE is the length modulo 2^32."""
    part = deflate(b"x")
    huge = Deflated(part.raw, (1 << 32) + 7, part.crc)
    assert gzip_member([part, huge])[-1][-4:] == (8).to_bytes(4, "little")
