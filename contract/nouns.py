"""What an item is called, in the plural."""

from __future__ import annotations


def plural(noun: str) -> str:
    """movie -> movies, dish -> dishes, company -> companies."""
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """1 movie, 1,200 movies."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"
