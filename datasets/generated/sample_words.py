"""The words that the generated sample's titles, genres and tags are made of.

No list of real films: every title is put together from the words below, so a
title that also exists is a coincidence.
"""

from __future__ import annotations

import math
from typing import Final

# MovieLens's genre names, each with how often it starts a cluster's profile
# (roughly its share of MovieLens) and the tags its films tend to get.
GENRES: Final[dict[str, tuple[float, tuple[str, ...]]]] = {
    "Action": (8, ("car chase", "explosions", "martial arts", "one man army", "heist crew", "stunts")),
    "Adventure": (6, ("treasure", "jungle", "quest", "sea voyage", "lost city", "expedition")),
    "Animation": (4, ("hand drawn", "stop motion", "anime", "talking animals", "colourful")),
    "Children": (3, ("family", "coming of age", "toys", "school", "friendship")),
    "Comedy": (14, ("satire", "slapstick", "quirky", "deadpan", "screwball", "dark comedy", "witty")),
    "Crime": (6, ("mafia", "heist", "detective", "undercover", "based on a book", "gangsters")),
    "Documentary": (3, ("nature", "interviews", "politics", "music scene", "archive footage")),
    "Drama": (18, ("slow burn", "melancholy", "family secrets", "great acting", "small town", "bittersweet")),
    "Fantasy": (4, ("magic", "dragons", "fairy tale", "sword", "prophecy", "mythology")),
    "Film-Noir": (1, ("femme fatale", "black and white", "cynical", "private eye")),
    "Horror": (6, ("zombies", "haunted house", "slasher", "gore", "creepy", "found footage")),
    "Musical": (2, ("singing", "dance numbers", "Broadway", "showtunes")),
    "Mystery": (4, ("plot twist", "whodunit", "unreliable narrator", "conspiracy", "missing person")),
    "Romance": (7, ("love story", "wedding", "Paris", "unrequited", "chick flick", "star-crossed")),
    "Sci-Fi": (6, ("space", "time travel", "robots", "dystopia", "aliens", "cyberpunk")),
    "Thriller": (8, ("suspense", "tense", "psychological", "kidnapping", "spies", "courtroom")),
    "War": (3, ("world war", "soldiers", "prisoners of war", "battlefield", "resistance")),
    "Western": (1, ("cowboys", "gunfight", "frontier", "outlaws", "spaghetti")),
}
NO_GENRES: Final = "(no genres listed)"

# Tags that say nothing about a cluster; one holds a comma, so a reader must know quoting.
COMMON_TAGS: Final = ("to see", "seen twice", "overrated", "funny, then sad", "soundtrack", "DVD", "classic")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES: Final = _words(
    "Amber Ashen Bitter Blue Borrowed Bright Broken Burning Careless Cold Copper Crimson Crooked Distant "
    "Drifting Early Electric Empty Endless Faithful Fallen False Final First Forgotten Frozen Gentle Gilded "
    "Golden Green Hidden Hollow Honest Hungry Idle Invisible Iron Ivory Last Late Little Lonely Long Lost "
    "Lucky Midnight Narrow Northern Ordinary Painted Pale Paper Patient Perfect Proud Quiet Reckless Red "
    "Restless Rising Sacred Salt Scarlet Second Secret Seventh Shallow Silent Silver Sleeping Slow Southern "
    "Stolen Strange Sudden Tender Thin Third Twisted Unbroken Uneasy Velvet Violet Wandering Western White "
    "Wicked Wild Winter Wooden Young"
)
_NOUNS: Final = _words(
    "Accord Afternoon Alibi Anchor Archive Arrow Avenue Balcony Ballad Bargain Beacon Bell Border Bridge "
    "Cabinet Canyon Carnival Cartographer Castle Cathedral Circus Clock Coast Colony Compass Conductor "
    "Corridor Courier Crown Curtain Debt Departure Detour Diary Dispatch Door Echo Embassy Empire Engine "
    "Estate Evening Exile Factory Feast Ferry Field Fire Flood Forest Fortune Frontier Garden Gate Ghost "
    "Glacier Guest Harbor Harvest Heir Highway Horizon Hotel Hour House Hunter Inheritance Island Journey "
    "Judge Kingdom Lantern Ledger Letter Lighthouse Machine Magician Map Market Mask Messenger Mirror "
    "Mission Monsoon Mountain Museum Neighbor Night Oath Ocean Orchard Orchestra Outpost Palace Passenger "
    "Path Pilot Planet Portrait Promise Prophet Rain Ransom Refuge Rehearsal Reunion Rider River Road Room "
    "Satellite Season Shadow Shore Signal Soldier Song Spring Stairway Station Storm Stranger Street Summer "
    "Summit Sunday Tailor Theater Thief Tide Tower Town Train Treaty Valley Verdict Village Visitor Voyage "
    "Waltz Watchman Wedding Well Window Witness Wolf Year"
)
_ABSTRACTS: Final = _words(
    "Ashes Autumn Babylon Chance Courage Darkness Desire Dust Eden Fear Glass Gold Grace Honor Hope Ice "
    "Innocence Iron Kings Lies Light Love Memory Mercy Midnight Mist Nowhere Paper Roses Salt Secrets "
    "Shadows Silence Smoke Snow Sorrow Stars Steel Stone Strangers Thieves Thunder Time Tomorrow Water Wolves"
)
_PLACES: Final = (
    *_words(
        "Algiers Antwerp Bergen Bogotá Cairo Cádiz Dakar Denver Dublin Genoa Havana Hanoi Kraków Lima Lisbon "
        "Malmö Marseille Memphis Odessa Oslo Porto Reno Riga Samarkand Savannah Sofia Tangier Tromsø Turin "
        "Valparaíso Vienna Warsaw Zürich"
    ),
    "Buenos Aires",
    "Santa Fe",
    "São Paulo",
)
_NAMES: Final = _words(
    "Adaeze Agnes Ahmed Alba Anaïs Arthur Beatriz Béla Bruno Camille Chloé Clara Dmitri Edith Élodie Emeka "
    "Farah Felix Fumiko Greta Hana Hugo Ines Isolde Ivan Jasper Jonas José Kenji Lars Leila Lucía Mabel "
    "Marek Martha Mei Milo Nadia Noor Olga Oscar Pavel Priya Ravi Rosa Ruth Sami Selma Søren Tariq Theo Uma "
    "Vera Viktor Wanda Yusuf Zoë"
)

# MovieLens moves a leading article to the end: "Quiet Harbor, The".
_PATTERNS: Final[tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = (
    ("{}, The", (_NOUNS,)),
    ("{} {}, The", (_ADJECTIVES, _NOUNS)),
    ("{} {}", (_ADJECTIVES, _NOUNS)),
    ("{} {}, A", (_ADJECTIVES, _NOUNS)),
    ("{} of {}", (_NOUNS, _ABSTRACTS)),
    ("{} of {}, The", (_NOUNS, _ABSTRACTS)),
    ("{} in {}", (_NOUNS, _PLACES)),
    ("{} {} in {}, The", (_ADJECTIVES, _NOUNS, _PLACES)),
    ("{}'s {}", (_NAMES, _NOUNS)),
    ("{}, {} and {}", (_NAMES, _NAMES, _NAMES)),
    ("{}: {} of the {}", (_NAMES, _NOUNS, _NOUNS)),
    ("Goodbye, {}", (_NAMES,)),
)


# How many titles each pattern can make, and how often it is used: small ones
# seldom, so that they do not repeat themselves.
PATTERN_SIZES: Final = tuple(math.prod(map(len, words)) for _, words in _PATTERNS)
PATTERN_WEIGHTS: Final = tuple(math.sqrt(min(size, 10_000)) for size in PATTERN_SIZES)


def title(pattern: int, number: int) -> str:
    """Title `number` of `pattern`: its words are the digits of a mixed-radix number."""
    template, words = _PATTERNS[pattern]
    chosen = []
    for column in words:
        number, digit = divmod(number, len(column))
        chosen.append(column[digit])
    made = template.format(*chosen)
    return f"{made}n" if made.endswith(", A") and made[0] in "AEIOU" else made
