"""The page of the SavedModels' signatures: the contract's names, types and neutral values, in words."""

from __future__ import annotations

from typing import Final

import contract
from contract import Output, Signature
from pipeline.reference.markdown import code, escape, heading, page, paragraph, table

_INTRODUCTION = (
    "Both pushed models have all of these. The first dimension of every tensor is the batch. A request gives "
    "the required inputs and what else it means: any other input may be left out, and its neutral value then "
    "stands for it, in the exported signature as in the server. A neutral value changes nothing; it also "
    "pads short rows. A result has as many columns as the largest `k` of the rows; an empty id pads "
    "shorter ones, with a score of 0. Unknown ids in a history are ignored, an item that stands twice counts "
    "once."
)
# Further dimensions.
_COLUMNS: Final = {
    "H": "history", "T": "tastes or tags", "E": "exclusions", "G": "genres", "W": "conditions",
    "K": "results", "M": "items asked about", "L": "columns of the catalogue", "R": "reasons",
    "D": "embedding", "A": "attributes", "C": "candidates", "O": "boosts", "V": "counts of a value",
}  # fmt: skip
_ANSWERS: Final = {
    contract.SERVING_DEFAULT: "Recommendations from a history, which they exclude.",
    contract.RECOMMEND: "The same with k, exclusions, filters, conditions, tastes, candidates, boosts, "
    "counts and diversity: what is left is scored, boosted, counted, then varied. "
    "A request that says nothing (no known history, no taste, no `now`, and no user id where users have "
    "columns) gets the popular list that meets its filters.",
    contract.RECOMMEND_EXACT: "As `recommend`, by exact search.",
    contract.RECOMMEND_USER: "Recommendations for a user known at training, from the history known then; an "
    "unknown user gets the popular list.",
    contract.SIMILAR: "An item's neighbours without itself; an unknown item gives an empty row.",
    contract.RATE: "Predicted stars of items; 0 for an unknown item and for data without ratings.",
    contract.EXPLAIN: f"For each item, the {contract.EXPLAIN_WIDTH} history items that carry most of its "
    "score (the score with the whole history minus the score without that one), heaviest first.",
    contract.DETAILS: "What the catalogue holds of items, as text: an empty one where nothing is known, as "
    "of an unknown item; a number as short as is exact; several values as `Drama|Crime` (of a value with `|` "
    "or `\\` in it, a `\\` stands before that). `columns` left out means all: the exported signature's "
    "default names them. Over REST, all rows give `columns` or none does.",
    contract.EMBED_QUERY: "The query's vector. Its dot product with an item's is the score.",
    contract.EMBED_ITEM: "An item's unit vector from its content; an id that the model knows adds its own.",
    contract.EVALUATE: "What the Evaluator reads.",
}
_MEANINGS: Final = {
    contract.HISTORY_ITEM_IDS: "ids of the history, oldest first; of `explain`, the reasons",
    contract.HISTORY_RATINGS: "stars, 0.5 to 5, whatever the scale of the data (`data_rating_scale` of the "
    "model's description); 0: unknown. A model of a log without ratings takes `history_weights` instead: "
    "above 0, and 1 of the heaviest event (`event_weights` of its description); 0: unknown",
    contract.HISTORY_TIMESTAMPS: "Unix seconds; 0: unknown",
    contract.USER_ID: "a user of the log: the profile, or the known history",
    contract.NOW: "Unix seconds; 0: the last event's",
    contract.TASTE_GENRES: "genres, or values of the data's taste feature; one that no item had at the "
    "training says nothing",
    contract.TASTE_WEIGHTS: "a weight for each",
    contract.K: "results; 0: `index.default_k`",
    contract.EXCLUDE: "ids never returned",
    contract.GENRES: "any of these; in a request without any there is no filter; one that no item has is "
    "met by none",
    contract.YEAR_MIN: "inclusive; 0: no bound",
    contract.YEAR_MAX: "inclusive; 0: no bound",
    contract.DIVERSITY: "0: relevance alone, 1: diversity alone (maximal marginal relevance)",
    contract.WHERE: "`brand=acme`, `brand!=acme`, `price<=20`: any of one column's values, none of those "
    "with `!=`, all of its bounds, every column; an item without a value meets only `!=`; "
    "`=` a value that no item has is met by none",
    contract.CANDIDATES: "the only items to rank, an unknown id being none; left out: all",
    contract.BOOST_ITEM_IDS: "items with a boost; of an id that stands twice the first counts",
    contract.BOOSTS: "added to the item's score, from -`index.max_boost` to `index.max_boost`; in the "
    "popular list as a part of the largest score",
    contract.AT_MOST: "`brand=3`: no more results with the same brand; an item with several values counts "
    "for each",
    contract.ITEM_ID: "an item",
    contract.ITEM_IDS: "items, best first in a result",
    contract.SCORES: "dot products; 0 beside padding",
    contract.RATINGS: "stars, 0.5 to 5",
    contract.WEIGHTS: "how much of the score each reason carries",
    contract.EMBEDDING: "the vector",
    contract.YEAR: "0: unknown",
    contract.TAGS: "lower case",
    contract.RATING_COUNT: "train ratings",
    contract.COLUMNS: "columns of the catalogue; in the answer those asked for",
    contract.VALUES: "texts",
    contract.ATTRIBUTES: "`brand=acme`, `price=20`; what is missing is unknown",
    contract.EXAMPLES: "serialized timelines",
    contract.EXACT_ITEM_IDS: "exact search on the same query",
    contract.POPULAR_ITEM_IDS: "the popular list without the history",
    contract.TARGET_ITEM_IDS: "targets of the timeline",
    contract.TARGET_RATINGS: "their ratings; a log without ratings has `target_weights` instead",
    contract.PREDICTED_RATINGS: "ratings, NaN past the end",
    contract.ITEM_NOVELTY: "-log2 of the item's share of the train ratings",
    contract.TARGET_COLD: "1: no train rating, NaN past the end",
    contract.CATALOGUE_SIZE: "items",
}


def signatures_page() -> str:
    """Markdown: a heading per signature, a row per tensor.

    Raises:
      KeyError: a signature or tensor of the contract that this page has no words for.
    """
    return page(
        heading("Signatures", "`contract/__init__.py`"),
        paragraph(_INTRODUCTION),
        table(("dimension", "of"), [(code(name), text) for name, text in _COLUMNS.items()]),
        *(part for signature in contract.SIGNATURES.values() for part in _signature(signature)),
    )


def _signature(signature: Signature) -> tuple[str, ...]:
    rows = [
        *(
            ("in", *_tensor(item), "required" if item.required else code(_neutral(item.neutral)))
            for item in signature.inputs
        ),
        *(("out", *_tensor(output), "") for output in signature.outputs),
    ]
    return (
        f"## {signature.name}",
        paragraph(_ANSWERS[signature.name]),
        table(("", "tensor", "type", "meaning", "neutral"), rows),
    )


def _tensor(tensor: Output) -> tuple[str, str, str]:
    letters = [letter for letter in (tensor.columns, tensor.depth) if letter]
    assert _COLUMNS.keys() >= set(letters), f"no words for one of the dimensions {letters}"
    shape = f"[{', '.join(['B', *letters])}]"
    return code(tensor.name), f"{tensor.dtype} {shape}", escape(_MEANINGS[tensor.name])


def _neutral(value: bytes | float | int) -> str:
    return f'"{value.decode()}"' if isinstance(value, bytes) else str(value)
