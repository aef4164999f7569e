"""Mutations: from valid content to content that a reader must survive."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

#: What takes the place of a number.
NUMBERS = (
    b"", b"-1", b"0", b"-0.0", b"1", b"7", b"255", b"256", b"65536", b"2147483647", b"2147483648",
    b"-2147483649", b"4294967296", b"9223372036854775808", b"1e5", b"1e39", b"1e309", b"-1e309",
    b"nan", b"NaN", b"inf", b"Infinity", b"-inf", b"0x10", b"1_000", b"+5", b"1,5", b".5", b"1.",
    b"true", b"null", b'"1"', b"[1]", "٣".encode(), "²".encode(), "½".encode(), b"9" * 30,
    b"9" * 5000,
)  # fmt: skip

#: What texts of several kinds open with; many of them nest deeply.
OPENINGS = (b"[", b"{", b'{"a":', b"(", b"<a>", b"<_>", b"a=[", b"[[a.b]]\n", b'"', b"a.")

#: What takes the place of bytes in binary files: lengths and offsets that are out of all reason.
WORDS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0",
    b"\0\0\0\x80", b"\0\x01\0\0", b"\xff\xff", b"\0\0", b"\x01\0\0\0", b"\xff" * 8, b"\0" * 16,
)  # fmt: skip

#: Words that mean something to one reader or another.
TOKENS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b",", b";", b'"', b"'", b"\\", b"/", b"../", b"..",
    b"~", b"#", b"%s", b"{}", b"<!--", b"<![CDATA[", b"&amp;", b"&x;", b"<?xml?>", b"]]>",
    b"<!DOCTYPE a [<!ENTITY x 'xx'>]>", "é".encode(), b"\xe9", b"\xff\xfe", b"\xef\xbb\xbf",
    "\u2028".encode(), "\U0001f600".encode(), b"\xed\xb2\x80", b"\x1b[31m", b"CON", b"a" * 5000,
)  # fmt: skip

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp037", "utf-7")

#: No case is larger, in bytes.
LARGEST = 1 << 20

Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]


def mutate(valid: Sequence[bytes], random: Random) -> bytes:
    """Return one of the valid contents after one to four mutations."""
    content = random.choice(valid)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        content = random.choice(MUTATIONS)(content, random, valid)[:LARGEST]
    return content


def flip_bits(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Flip one to eight bits."""
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def truncate(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Leave off the end, or the beginning."""
    at = random.randint(0, len(content))
    return content[:at] if random.random() < 0.8 else content[at:]


def splice(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Put the beginning of one content before the end of another."""
    other = random.choice(valid)
    return content[: random.randint(0, len(content))] + other[random.randint(0, len(other)) :]


def replace_numbers(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Replace one to three numbers of a text."""
    for _ in range(random.randint(1, 3)):
        found = list(_NUMBER.finditer(content[:20_000]))
        if found:
            begin, end = random.choice(found).span()
            content = content[:begin] + random.choice(NUMBERS) + content[end:]
    return content


def replace_words(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Overwrite some bytes as lengths and offsets of binary files are."""
    word = random.choice(WORDS)
    at = random.randint(0, min(len(content), random.choice((16, 64, 1 << 20))))
    return content[:at] + word + content[at + len(word) :]


def insert_token(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Insert a word."""
    at = random.randint(0, len(content))
    return content[:at] + random.choice(TOKENS) + content[at:]


def change_lines(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Remove, double or exchange lines."""
    return b"\n".join(_changed(content.split(b"\n"), random))


def change_fields(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Remove, double or exchange the fields of a line."""
    lines = content.split(b"\n")
    at = random.randrange(len(lines))
    separator = random.choice((b",", b" ", b"=", b":", b"<", b">", b'"'))
    lines[at] = separator.join(_changed(lines[at].split(separator), random))
    return b"\n".join(lines)


def encode(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Write a text in another encoding."""
    text = content.decode("utf-8", "replace")
    return text.encode(random.choice(_ENCODINGS), "replace")


def end_lines(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """End lines as other systems do."""
    return content.replace(b"\n", random.choice((b"\r\n", b"\r", b"\0", b"\x0b")))


def nest(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Open something very often."""
    at = random.randint(0, len(content))
    return content[:at] + random.choice(OPENINGS) * random.choice((3, 100, 20_000)) + content[at:]


def double(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Repeat a part."""
    at, length = random.randint(0, len(content)), random.choice((1, 8, 100, 4000))
    part = content[at : at + length]
    return content[:at] + part * random.choice((2, 3, 50)) + content[at + length :]


def remove(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Leave a part out."""
    at, length = random.randint(0, len(content)), random.choice((1, 2, 4, 16, 256))
    return content[:at] + content[at + length :]


def scramble(content: bytes, random: Random, valid: Sequence[bytes]) -> bytes:
    """Replace a part, or all, by random bytes."""
    at = random.choice((0, random.randint(0, len(content))))
    noise = random.randbytes(random.choice((1, 4, 64, 1000)))
    return content[:at] + noise + (content[at + len(noise) :] if random.random() < 0.7 else b"")


def _changed(parts: list[bytes], random: Random) -> list[bytes]:
    at, other = (random.randrange(len(parts)) for _ in range(2))
    what = random.randrange(4)
    if what == 0:
        del parts[at]
    elif what == 1:
        parts.insert(at, parts[other])
    elif what == 2:
        parts[at], parts[other] = parts[other], parts[at]
    else:
        parts[at] = b""
    return parts


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, truncate, splice, replace_numbers, replace_numbers, replace_words, insert_token,
    change_lines, change_fields, encode, end_lines, nest, double, remove, scramble,
)  # fmt: skip
