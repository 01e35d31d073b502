"""One plot: SVG that stands in a page by itself, and the words for who cannot see it.

No script, no font and no address in it: text is text, in the reader's own font. The
same data give the same bytes.
"""

from __future__ import annotations

import dataclasses
import html
import io
import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1f2937"
FOCUS: Final = "#c2410c"
OTHER: Final = "#64748b"
# Told apart by anybody: Okabe and Ito, 2008, "Color universal design".
COLOURS: Final = (FOCUS, "#0072b2", "#009e73", "#56b4e9", "#cc79a7", "#e69f00", OTHER)

# Inches: readable at the width of a phone, where the page shrinks it to some 330 pixels.
WIDTH: Final = 4.4
_LINE: Final = 0.24


@dataclasses.dataclass(frozen=True)
class Plot:
    """
    Attributes:
      title: what it shows, a line.
      svg: an `<svg>` element, whose label is the title.
      words: the same figures in words.
    """

    title: str
    svg: str
    words: str


@contextmanager
def figure(height: float, width: float = WIDTH, columns: int = 1, rows: int = 1) -> Iterator[Figure]:
    """A figure of so many panels; sizes in inches."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    style: Any = {"font.size": 10.5, "axes.spines.top": False, "axes.spines.right": False, "text.color": INK,
             "axes.edgecolor": OTHER, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
             "svg.fonttype": "none", "svg.hashsalt": "marquee",
             "text.parse_math": False}  # fmt: skip
    with matplotlib.rc_context(style):
        canvas = Canvas(figsize=(width, height), layout="constrained")
        canvas.subplots(rows, columns, squeeze=False)
        yield canvas


def finish(canvas: Figure, title: str, words: str) -> Plot:
    """The figure as a `Plot`; within the block of `figure`."""
    stream = io.StringIO()
    canvas.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, count=1, flags=re.DOTALL)
    # Ids are the figure's own: several stand in one page.
    own = f"p{zlib.crc32((title + words).encode()):x}-"
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}", text)
    label = html.escape(title)
    text = text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    end = text.index(">") + 1
    return Plot(title, f"{text[:end]}<desc>{html.escape(words)}</desc>{text[end:]}", words)


def bars(
    title: str,
    values: Mapping[str, float],
    errors: Mapping[str, float] | None = None,
    *,
    form: str = "{:.3f}",
    marked: Sequence[str] | None = None,
) -> Plot:
    """Horizontal bars, first on top, each with its value.

    Args:
      errors: half lengths of whiskers, of those that have one.
      marked: names in the colour of what is looked at; None: all.
    """
    with figure(0.5 + _LINE * max(len(values), 2)) as canvas:
        draw_bars(canvas.axes[0], values, errors, form, marked)
        return finish(canvas, title, words_of(values, errors, form))


def draw_bars(
    axes: Axes,
    values: Mapping[str, float],
    errors: Mapping[str, float] | None = None,
    form: str = "{:.3f}",
    marked: Sequence[str] | None = None,
) -> None:
    """`bars` in a panel."""
    names, places = list(values), range(len(values))
    lengths = [value if math.isfinite(value) else 0.0 for value in values.values()]
    spread = [(errors or {}).get(name, math.nan) for name in names]
    axes.barh(
        places, lengths, height=0.7, color=[FOCUS if marked is None or n in marked else OTHER for n in names]
    )
    whiskers = [error if math.isfinite(error) else 0.0 for error in spread]
    if any(whiskers):
        axes.errorbar(lengths, places, xerr=whiskers, fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    for place, length, error, value in zip(places, lengths, whiskers, values.values(), strict=True):
        text = form.format(value) if math.isfinite(value) else "no value"
        axes.annotate(
            text, (max(length + error, 0.0), place), (4, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlim(left=min((0.0, *lengths)))


def grouped_bars(title: str, series: Mapping[str, Mapping[str, float]], *, form: str = "{:.2f}") -> Plot:
    """Bars of several series side by side; series name -> value by label, the same labels in all."""
    labels = list(next(iter(series.values())))
    with figure(0.75 + 0.2 * len(series) * len(labels)) as canvas:
        axes = canvas.axes[0]
        height = 0.8 / len(series)
        for i, (name, values) in enumerate(series.items()):
            places = [j + i * height for j in range(len(labels))]
            axes.barh(places, list(values.values()), height=height, label=name, color=COLOURS[i])
            for place, value in zip(places, values.values(), strict=True):
                axes.annotate(
                    form.format(value), (value, place), (4, 0), textcoords="offset points", va="center"
                )
        axes.set_yticks([j + 0.4 - height / 2 for j in range(len(labels))], labels)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        canvas.legend(loc="outside upper left", ncols=len(series), frameon=False)
        words = "; ".join(f"{name}: {words_of(values, None, form)}" for name, values in series.items())
        return finish(canvas, title, words)


def lines(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], x: str, *, form: str = "{:.4g}"
) -> Plot:
    """Curves; series name -> points (x, y) in their order."""
    with figure(2.4) as canvas:
        axes = canvas.axes[0]
        for i, (name, points) in enumerate(series.items()):
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name, color=COLOURS[i % 7])
        axes.set_xlabel(x)
        axes.locator_params(axis="x", integer=True, nbins=8)
        if len(series) > 1:
            canvas.legend(loc="outside upper left", ncols=2, frameon=False)
        words = "; ".join(
            f"{name}: {', '.join(f'{form.format(y)} at {x} {at:g}' for at, y in points)}"
            for name, points in series.items()
        )
        return finish(canvas, title, words)


def histogram(title: str, values: Sequence[float], x: str, bins: int = 24) -> Plot:
    """How often which value comes."""
    import numpy as np

    counts, edges = np.histogram(values, bins)
    with figure(2.2) as canvas:
        axes = canvas.axes[0]
        axes.stairs(counts, edges, fill=True, color=FOCUS)
        axes.set_xlabel(x)
        axes.set_ylabel("number")
        low, quarter, median, three, high = np.quantile(values, (0.0, 0.25, 0.5, 0.75, 1.0))
        words = (
            f"{len(values):,} values of {x}: from {low:.3g} to {high:.3g}, half of them between "
            f"{quarter:.3g} and {three:.3g}, median {median:.3g}"
        )
        return finish(canvas, title, words)


def scatter(
    title: str, points: Mapping[str, Sequence[tuple[float, float]]], named: Mapping[str, tuple[float, float]]
) -> Plot:
    """Points by group, on axes without a meaning of their own.

    Args:
      named: points that stand with their names, as far as the names find room; earlier ones first.
    """
    with figure(4.8) as canvas:
        axes = canvas.axes[0]
        for i, (group, of_group) in enumerate(points.items()):
            xs, ys = zip(*of_group, strict=True)
            axes.scatter(xs, ys, s=5, alpha=0.6, label=group, color=COLOURS[i % 7])
        axes.set_xticks([])
        axes.set_yticks([])
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        canvas.legend(loc="outside lower left", ncols=2, frameon=False, markerscale=2)
        _name(axes, named)
        words = f"{sum(map(len, points.values())):,} points: " + ", ".join(
            f"{group} {len(of_group):,}" for group, of_group in points.items()
        )
        return finish(canvas, title, words)


def _name(axes: Axes, named: Mapping[str, tuple[float, float]]) -> None:
    """Writes names right or left of their points, none over another or beyond the panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(axes.get_figure(root=True))
    canvas.draw()  # the layout, against which names are measured
    renderer = canvas.get_renderer()
    taken: list[Any] = []
    for name, at in named.items():
        for side, shift in (("left", 4), ("right", -4)):
            text = axes.annotate(
                name, at, (shift, 0), textcoords="offset points", ha=side, va="center", fontsize=8
            )
            text.set_in_layout(False)
            box = text.get_window_extent(renderer)
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def words_of(values: Mapping[str, float], errors: Mapping[str, float] | None, form: str) -> str:
    """`a 0.100 ± 0.020, b no value`."""
    parts = []
    for name, value in values.items():
        error = (errors or {}).get(name, math.nan)
        text = form.format(value) if math.isfinite(value) else "no value"
        parts.append(f"{name} {text}" + (f" ± {form.format(error)}" if math.isfinite(error) else ""))
    return ", ".join(parts)
