"""A cover for every item, drawn from its own data: always the same for the same item.

The hue comes from the first value of its taste column, so that covers of one kind are of
one family; the motif, its numbers and the lettering come from the item's id.
"""

from __future__ import annotations

import functools
import hashlib
import math
import random
import unicodedata
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup, escape

WIDTH, HEIGHT = 300, 400
# The picture; the lettering has the rest, on the plain ground.
_PICTURE: Final = 236
_MARGIN: Final = 20
_SIZES: Final = (58, 50, 44, 38, 33, 28, 24, 20)
_LEADING: Final = 0.96
_MOST_LINES: Final = 4
# Lettering: CSS class, capitals or not, how broad its letters are beside those of "vc".
_VOICES: Final = (("va", True, 0.86), ("vb", False, 1.14), ("vc", True, 1.0))
# Advances of the letters of "vc" in ems, as Chromium sets them; of the others _OTHER, and of scripts
# whose letters are as broad as high _SQUARE.
_ADVANCES: Final = {
    letter: advance
    for letters, advance in (
        (" ", 0.18), ("ijl'", 0.25), ("I.,:;!|-", 0.29), ("frt()[]", 0.35), ("svyz", 0.50),
        ("0123456789abcdeghknopquxFJL?", 0.55), ("EPSTZ", 0.61), ("ABCDKNRVXYHUÆ", 0.67), ("GOQ&", 0.71),
        ("mwMŒ@%", 0.82), ("W", 0.88),
    )
    for letter in letters
}  # fmt: skip
_OTHER, _SQUARE = 0.67, 1.06


class Palette(NamedTuple):
    """Colours as #rrggbb: of the ground, the lettering, and three of the picture."""

    ground: str
    ink: str
    first: str
    second: str
    third: str


@functools.lru_cache(maxsize=4096)
def cover(item_id: str, title: str, tastes: Sequence[str] = (), note: str = "") -> Markup:
    """An SVG element of the cover.

    Args:
      item_id: decides motif and lettering.
      title: is set as large as it fits.
      tastes: values of the taste column; the first decides the hue. A tuple, as the result is kept.
      note: a short text above the title, such as the year.
    """
    dice = random.Random(_seed(item_id))
    palette = _palette(tastes[0] if tastes else "", dice)
    motif = dice.choice(_MOTIFS)(dice, palette)
    return Markup(
        f'<svg class="cover" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{palette.ground}"/>'
        f'<svg width="{WIDTH}" height="{_PICTURE}" viewBox="0 0 {WIDTH} {_PICTURE}">{motif}</svg>'
        f"{_lettering(title, note, palette.ink, dice)}</svg>"
    )


def hue(value: str) -> float:
    """Degrees, 0 to 360: the same for the same value everywhere."""
    return _seed(value) % 3600 / 10 if value else 250.0


def dot_colour(place: int, count: int) -> str:
    """A colour for one of so many values, told apart on a light and on a dark ground."""
    return _hex(0.66 if place % 2 else 0.58, 0.16, 20 + 360 * place / max(1, count))


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _palette(taste: str, dice: random.Random) -> Palette:
    base = hue(taste) + dice.uniform(-16, 16)
    other = base + dice.choice((28, 60, 150, 180, 210))
    chroma = 0.15 if taste else 0.03
    if dice.random() < 0.6:  # a dark ground
        return Palette(
            _hex(0.27, 0.5 * chroma, base),
            _hex(0.96, 0.02, base),
            _hex(0.62, chroma, base),
            _hex(0.80, 0.8 * chroma, other),
            _hex(0.42, 0.8 * chroma, base),
        )
    return Palette(
        _hex(0.90, 0.35 * chroma, base),
        _hex(0.24, 0.4 * chroma, base),
        _hex(0.63, chroma, base),
        _hex(0.42, 0.8 * chroma, other),
        _hex(0.78, 0.6 * chroma, base),
    )


def _hex(lightness: float, chroma: float, degrees: float) -> str:
    """OKLCH as #rrggbb, less colourful where sRGB has no such colour (Ottosson 2020)."""
    while True:
        a, b = (
            chroma * math.cos(math.radians(degrees)),
            chroma * math.sin(math.radians(degrees)),
        )
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
        )
        if chroma < 0.005 or all(-0.0005 <= value <= 1.0005 for value in linear):
            return "#" + "".join(f"{round(255 * _gamma(value)):02x}" for value in linear)
        chroma *= 0.9


def _gamma(value: float) -> float:
    value = min(1.0, max(0.0, value))
    return 12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055


# --- lettering ------------------------------------------------------------------


def _lettering(title: str, note: str, ink: str, dice: random.Random) -> str:
    voice, capitals, breadth = dice.choice(_VOICES)
    text = title.upper() if capitals else title
    size, lines = _set(text, breadth)
    base = HEIGHT - _MARGIN - (len(lines) - 1) * size * _LEADING
    # Where the title leaves room, the note stands right below the picture.
    spans = "".join(
        f'<text class="{voice}" x="{_MARGIN}" y="{base + row * size * _LEADING:.0f}" font-size="{size}"'
        f' fill="{ink}">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    above = f'<text class="vn" x="{_MARGIN}" y="{_PICTURE + 26}" font-size="17" fill="{ink}">'
    return (f"{above}{escape(note)}</text>" if note else "") + spans


def _set(text: str, breadth: float) -> tuple[int, list[str]]:
    """The largest size at which the text fits, and its lines; cut with an ellipsis where none does."""
    room = HEIGHT - _PICTURE - _MARGIN - 34
    for size in _SIZES:
        lines = _lines(text, (WIDTH - 2 * _MARGIN) / (size * breadth))
        height = len(lines) * size * _LEADING
        if lines and len(lines) <= _MOST_LINES and height <= room:
            return size, lines
    size = _SIZES[-1]
    most = (WIDTH - 2 * _MARGIN) / (size * breadth)
    lines = _lines(text, most, broken=True)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][:-1].rstrip() + "…"]
    return size, lines


def _lines(text: str, most: float, broken: bool = False) -> list[str]:
    """Lines of at most so many ems; none where a word is longer, unless it may be broken."""
    lines: list[str] = []
    for word in _words(text):
        while _length(word) > most:
            if not broken:
                return []
            cut = next((at for at in range(len(word) - 1, 1, -1) if _length(word[:at] + "-") <= most), 1)
            lines.append(word[:cut] + "-")
            word = word[cut:]
        parted = bool(lines) and lines[-1].endswith("-") and not lines[-1].endswith(" -")
        if lines and not parted and _length(f"{lines[-1]} {word}") <= most:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _words(text: str) -> list[str]:
    """A dash or another sign between words ends a line, but does not begin one."""
    words: list[str] = []
    for word in text.split():
        if words and not any(map(str.isalnum, word)):
            words[-1] += f" {word}"
        else:
            words.append(word)
    return words


def _length(text: str) -> float:
    """In ems of "vc"."""
    plain = unicodedata.normalize("NFD", text)
    return sum(
        _ADVANCES.get(letter, _SQUARE if letter > "⺀" else _OTHER)
        for letter in plain
        if not unicodedata.combining(letter)
    )


# --- pictures -------------------------------------------------------------------


def _disc(x: float, y: float, radius: float, fill: str, more: str = "") -> str:
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.0f}" fill="{fill}"{more}/>'


def _polygon(points: Sequence[tuple[float, float]], fill: str) -> str:
    return f'<polygon points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in points)}" fill="{fill}"/>'


def _rings(dice: random.Random, palette: Palette) -> str:
    x, y = dice.uniform(60, 240), dice.uniform(60, 190)
    step, count = dice.uniform(16, 34), dice.randint(4, 7)
    fills = (palette.first, palette.third, palette.second)
    return "".join(_disc(x, y, (count - ring) * step, fills[ring % 3]) for ring in range(count))


def _bands(dice: random.Random, palette: Palette) -> str:
    slant, at, parts = dice.choice((-150, -80, 80, 150)), -160.0, []
    while at < WIDTH + 160:
        wide = dice.uniform(10, 54)
        points = [
            (at, 0.0),
            (at + wide, 0.0),
            (at + wide + slant, float(_PICTURE)),
            (at + slant, float(_PICTURE)),
        ]
        parts.append(_polygon(points, dice.choice(palette[2:])))
        at += wide + dice.choice((0.0, 12.0, 26.0))
    return "".join(parts)


def _arches(dice: random.Random, palette: Palette) -> str:
    count = dice.choice((1, 2, 3))
    wide = WIDTH / count
    parts = []
    for column in range(count):
        rings = dice.randint(3, 5)
        fills = dice.sample(palette[2:], 3)
        for ring in range(rings):
            radius = wide / 2 * (1 - ring / rings)
            x = (column + 0.5) * wide
            top = _PICTURE - radius - dice.choice((0, 20, 70)) * (ring == 0)
            parts.append(
                f'<path d="M{x - radius:.0f} {_PICTURE}V{top:.0f}a{radius:.0f} {radius:.0f} 0 0 1 '
                f'{2 * radius:.0f} 0V{_PICTURE}z" fill="{fills[ring % 3]}"/>'
            )
    return "".join(parts)


def _quarters(dice: random.Random, palette: Palette) -> str:
    side = dice.choice((50.0, 60.0, 75.0))
    parts = []
    for row in range(math.ceil(_PICTURE / side)):
        for column in range(math.ceil(WIDTH / side)):
            x, y, corner = column * side, row * side, dice.randrange(5)
            if corner == 4:
                parts.append(_disc(x + side / 2, y + side / 2, side / 2, dice.choice(palette[2:])))
                continue
            cx, cy = x + side * (corner & 1), y + side * (corner >> 1)
            ex, ey = x + side * (1 - (corner & 1)), y + side * (1 - (corner >> 1))
            sweep = 1 if corner in (0, 3) else 0
            parts.append(
                f'<path d="M{cx:.0f} {cy:.0f}L{ex:.0f} {cy:.0f}A{side:.0f} {side:.0f} 0 0 {sweep} '
                f'{cx:.0f} {ey:.0f}z" fill="{dice.choice(palette[2:])}"/>'
            )
    return "".join(parts)


def _rays(dice: random.Random, palette: Palette) -> str:
    x, y, count = dice.choice((0, 75, 150, 225, 300)), dice.choice((_PICTURE, 120)), dice.randint(9, 16)
    turn, parts = dice.random(), []
    for ray in range(count):
        angles = [2 * math.pi * (ray + turn + part) / count for part in (0.0, 0.55)]
        points = [(float(x), float(y))] + [(x + 500 * math.cos(a), y + 500 * math.sin(a)) for a in angles]
        parts.append(_polygon(points, palette[2 + ray % 2 * 2]))
    return "".join(parts) + _disc(x, y, dice.uniform(34, 64), palette.second)


def _hills(dice: random.Random, palette: Palette) -> str:
    parts = [_disc(dice.uniform(50, 250), dice.uniform(45, 110), dice.uniform(24, 46), palette.second)]
    for layer, fill in enumerate((palette.third, palette.first, palette.second)):
        level, reach, phase = 110 + 45 * layer, dice.uniform(18, 42), dice.uniform(0, 7)
        pace = dice.uniform(0.012, 0.03)
        points = [(float(x), level + reach * math.sin(phase + pace * x)) for x in range(0, WIDTH + 1, 15)]
        parts.append(_polygon([(0.0, float(_PICTURE)), *points, (float(WIDTH), float(_PICTURE))], fill))
    return "".join(parts)


def _columns(dice: random.Random, palette: Palette) -> str:
    count = dice.randint(5, 12)
    wide = WIDTH / count
    parts = []
    for column in range(count):
        high = dice.uniform(0.2, 0.95) * _PICTURE
        parts.append(
            f'<rect x="{column * wide:.1f}" y="{_PICTURE - high:.0f}" width="{wide * 0.82:.1f}" '
            f'height="{high:.0f}" fill="{dice.choice(palette[2:])}"/>'
        )
    return "".join(parts)


def _halftone(dice: random.Random, palette: Palette) -> str:
    step, x0, y0 = dice.choice((22, 27, 33)), dice.uniform(0, WIDTH), dice.uniform(0, _PICTURE)
    fills = dice.sample(palette[2:], 2)
    parts = []
    for row, y in enumerate(range(step // 2, _PICTURE, step)):
        for x in range(step // 2, WIDTH, step):
            near = math.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 26000)
            parts.append(_disc(x, y, 2 + near * step * 0.5, fills[row % 2]))
    return "".join(parts)


def _blocks(dice: random.Random, palette: Palette) -> str:
    parts, stack = [], [(0.0, 0.0, float(WIDTH), float(_PICTURE), 0)]
    while stack:
        x, y, wide, high, depth = stack.pop()
        if depth == 4 or max(wide, high) < 70 or (depth > 1 and dice.random() < 0.25):
            parts.append(
                f'<rect x="{x + 3:.0f}" y="{y + 3:.0f}" width="{wide - 6:.0f}" height="{high - 6:.0f}" '
                f'fill="{dice.choice(palette[2:])}"/>'
            )
            continue
        share = dice.uniform(0.3, 0.7)
        if wide > high:
            stack += [(x, y, wide * share, high, depth + 1)]
            stack += [(x + wide * share, y, wide * (1 - share), high, depth + 1)]
        else:
            stack += [(x, y, wide, high * share, depth + 1)]
            stack += [(x, y + high * share, wide, high * (1 - share), depth + 1)]
    return "".join(parts)


def _orbits(dice: random.Random, palette: Palette) -> str:
    tilt, parts = dice.randrange(0, 180, 15), []
    for ring in range(dice.randint(3, 5)):
        parts.append(
            f'<ellipse cx="150" cy="118" rx="{40 + 32 * ring}" ry="{16 + 17 * ring}" fill="none" '
            f'stroke="{palette[2 + ring % 3]}" stroke-width="{dice.choice((4, 7, 11))}" '
            f'transform="rotate({tilt} 150 118)"/>'
        )
    return "".join(parts) + _disc(150, 118, dice.uniform(18, 32), palette.second)


_MOTIFS: Final[tuple[Callable[[random.Random, Palette], str], ...]] = (
    _rings, _bands, _arches, _quarters, _rays, _hills, _columns, _halftone, _blocks, _orbits,
)  # fmt: skip
