"""Every name that crosses a boundary: features, splits, signatures, artifacts.

Nowhere else is such a string written. This module imports nothing beyond the
standard library, because the model server and its client read it too, on
machines that have neither TFX nor Beam.

Shapes: B requests in a batch, H history events, K results, N items in the
catalogue, M items asked about, D embedding dimensions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

# --- splits -----------------------------------------------------------------
# Three parts of the events, and what "history" and "targets" mean in each split:
#   train  history = the train events; targets are empty lists (the trainer cuts
#          (prefix, next) pairs inside the history).
#   eval   history = the train events; targets = the eval events.
#   test   history = the train and eval events; targets = the test events.
# Both in time order, oldest first; ties in time keep the file's order. A split has
# a record of every user with a history and (but in train) a target in it.
#
# Which events are in which part is the rule's business. n = a user's events:
#   user_time       t = max(1, n // 10): the last t are test, the t before are eval.
#                   A user with n < 3 is in train alone. The default.
#   leave_last_out  the same with t = 1, as the literature on sequences has it.
#   global_time     before one date train, from a second on test, eval in between:
#                   what retraining in production sees. Nothing of anybody's future
#                   is in train. A user without an event before the second date, and
#                   what one does before the second date without any before the
#                   first, is in no target: there is no history to ask with.
#   random          as user_time, but the events of eval and test are drawn. A
#                   history then holds events that are later than its targets: for
#                   comparison with published figures on random splits only.
SplitRule = Literal["user_time", "leave_last_out", "global_time", "random"]
TRAIN: Final = "train"
EVAL: Final = "eval"
TEST: Final = "test"
SPLITS: Final = (TRAIN, EVAL, TEST)

# A target counts as relevant from this many stars on.
RELEVANT_RATING: Final = 4.0
# MovieLens's scale, in stars.
MIN_RATING: Final = 0.5
MAX_RATING: Final = 5.0


def rating_of_weight(weight: Any) -> Any:
    """What an event of a log without ratings counts as in the arithmetic of models: above 4, up to 5.

    No artifact, request or answer holds it: there such an event has its weight. Towers and
    metrics know ratings only, and by this one every event is relevant, a heavier one more so.

    Args:
      weight: a number or an array, above 0 and at most 1: its share of the heaviest event's.
    """
    return RELEVANT_RATING + weight * (MAX_RATING - RELEVANT_RATING)


def weight_of_rating(rating: Any) -> Any:
    """The inverse of `rating_of_weight`."""
    return (rating - RELEVANT_RATING) / (MAX_RATING - RELEVANT_RATING)


# --- timelines: one tf.Example per user and split ---------------------------
USER_ID: Final = "user_id"
HISTORY_ITEM_IDS: Final = "history_item_ids"  # bytes list, oldest first
HISTORY_RATINGS: Final = "history_ratings"  # float list, stars
HISTORY_TIMESTAMPS: Final = "history_timestamps"  # int64 list, Unix seconds
TARGET_ITEM_IDS: Final = "target_item_ids"
TARGET_RATINGS: Final = "target_ratings"
# In place of the ratings where the log has none: above 0, and 1 of the heaviest event.
HISTORY_WEIGHTS: Final = "history_weights"
TARGET_WEIGHTS: Final = "target_weights"
TARGET_TIMESTAMPS: Final = "target_timestamps"
SLICE_HISTORY: Final = "slice_history"  # bucket of history length ("" in train)
SLICE_COLD: Final = "slice_cold"  # COLD or WARM ("" in train)

HISTORY_FEATURES: Final = (HISTORY_ITEM_IDS, HISTORY_RATINGS, HISTORY_TIMESTAMPS)
TARGET_FEATURES: Final = (TARGET_ITEM_IDS, TARGET_RATINGS, TARGET_TIMESTAMPS)
TIMELINE_FEATURES: Final = (USER_ID, *HISTORY_FEATURES, *TARGET_FEATURES, SLICE_HISTORY, SLICE_COLD)
# A feature, input or output of ratings, and the one of weights that a log without ratings has there.
WEIGHTS_OF: Final = {HISTORY_RATINGS: HISTORY_WEIGHTS, TARGET_RATINGS: TARGET_WEIGHTS}


def of_feedback(name: str, implicit: bool) -> str:
    """The name itself; of ratings, where the log has none (`implicit`), that of weights."""
    return WEIGHTS_OF.get(name, name) if implicit else name


# What is known of a user beside the events (`user_features` of the config) comes
# after these, as the own columns of items do.
def user_feature(name: str) -> str:
    return f"user_{name}"


# slice_history: the first bucket whose upper bound (inclusive) holds.
HISTORY_BUCKETS: Final = ((9, "001-009"), (29, "010-029"), (99, "030-099"), (299, "100-299"), (None, "300-"))
# slice_cold: whether a relevant target has no rating at all in train.
COLD: Final = "cold"
WARM: Final = "warm"

# --- items: one tf.Example per item, one split named train ----------------
ITEM_ID: Final = "item_id"  # bytes
TITLE: Final = "title"  # bytes, without the year
YEAR: Final = "year"  # int64, 0 if none
GENRES: Final = "genres"  # bytes list, empty for "(no genres listed)"
TAGS: Final = "tags"  # bytes list, lower case
RATING_COUNT: Final = "rating_count"  # int64, train ratings
RATING_MEAN: Final = "rating_mean"  # float, mean of the train ratings in stars (or weights), 0 if none
ITEM_FEATURES: Final = (ITEM_ID, TITLE, YEAR, GENRES, TAGS, RATING_COUNT, RATING_MEAN)

# A data set's own columns (`item_features` of the config) come after these, by
# their names: categorical and multi as bytes lists, number as a float list of one
# or none, text as bytes.

# --- what Transform makes of an item ----------------------------------------
ITEM_INDEX: Final = "item_index"  # int64[1]: row in the item vocabulary, its size if out of vocabulary
POPULARITY_SCALED: Final = "popularity_scaled"  # float[1]: z-score of log(1 + rating_count)
ITEM_VOCABULARY: Final = "items"  # file inside the transform graph, by descending rating_count


# Of each feature of the items, MovieLens's or a data set's own. Its vocabulary file has its name.
def indices(feature: str) -> str:
    """int64 list: rows of its vocabulary; unknown ones are its size, or dropped where there are weights."""
    return f"{feature}_indices"


def weights(feature: str) -> str:
    """float list beside `indices`: TF-IDF."""
    return f"{feature}_weights"


def scaled(feature: str) -> str:
    """float[1]: z-score over the items that have a value, 0 for one that has none."""
    return f"{feature}_scaled"


def known(feature: str) -> str:
    """float[1]: 1 if the item has a value."""
    return f"{feature}_known"


# --- signatures ---------------------------------------------------------------
DType = Literal["string", "float32", "int32", "int64"]


@dataclasses.dataclass(frozen=True)
class Output:
    """One output tensor of a signature.

    Attributes:
      name: key in the answer.
      dtype: TensorFlow dtype name.
      columns: name of the second dimension (`H`, `E` ...), or None for [B].
      depth: name of the third dimension, or None if there is none.
    """

    name: str
    dtype: DType
    columns: str | None
    depth: str | None = dataclasses.field(default=None, kw_only=True)

    def shape(self, batch: Any, columns: Any = 1) -> list[Any]:
        """[batch], and `columns` of each further dimension."""
        return [batch, *(columns for letter in (self.columns, self.depth) if letter)]


@dataclasses.dataclass(frozen=True)
class Input(Output):
    """One input tensor of a signature.

    Attributes:
      neutral: the value that changes nothing: it pads short rows, and stands for
        an input that a request leaves out.
      required: whether every request must give it. Any other input has its neutral
        value as the exported signature's default, but COLUMNS: left out it is all columns.
    """

    neutral: bytes | float | int
    required: bool = False


@dataclasses.dataclass(frozen=True)
class Signature:
    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]

    def filled(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
        """The inputs of a batch of B requests, neutral wherever a request says nothing.

        Args:
          rows: what each request gives: a sequence for an input with columns, a
            single value for one without; None is as good as nothing.

        Returns:
          For each input B values, or B lists padded to the longest (at least 1).

        Raises:
          ValueError: a request gives what is no input of this signature.
        """
        unknown = sorted({name for row in rows for name in row} - {item.name for item in self.inputs})
        if unknown:
            names = ", ".join(item.name for item in self.inputs)
            raise ValueError(f"{self.name} has no input {', '.join(unknown)}; it has {names}")
        return {item.name: _column(item, [row.get(item.name) for row in rows]) for item in self.inputs}


def _column(item: Input, values: list[Any]) -> list[Any]:
    if item.columns is None:
        return [item.neutral if value is None else value for value in values]
    given = [[] if value is None else list(value) for value in values]
    width = max(1, max(map(len, given), default=1))
    return [value + [item.neutral] * (width - len(value)) for value in given]


NOW: Final = "now"
TASTE_GENRES: Final = "taste_genres"
TASTE_WEIGHTS: Final = "taste_weights"
K: Final = "k"
EXCLUDE: Final = "exclude"
FILTER_GENRES: Final = "genres"
YEAR_MIN: Final = "year_min"
YEAR_MAX: Final = "year_max"
DIVERSITY: Final = "diversity"
ITEM_IDS: Final = "item_ids"
SCORES: Final = "scores"
RATINGS: Final = "ratings"
WEIGHTS: Final = "weights"
EMBEDDING: Final = "embedding"
EXAMPLES: Final = "examples"
WHERE: Final = "where"  # conditions on columns of the catalogue: brand=acme, brand!=acme, price<=20
CANDIDATES: Final = "candidates"
BOOST_ITEM_IDS: Final = "boost_item_ids"
BOOSTS: Final = "boosts"
AT_MOST: Final = "at_most"  # how many results may share a value of a column: brand=3
COLUMNS: Final = "columns"  # of the catalogue
VALUES: Final = "values"
ATTRIBUTES: Final = "attributes"  # what an item is: brand=acme, price=20, genres=Drama

PAD_ID: Final = b""  # pads ids in and out
# Stands for a number that is not known: JSON has no NaN. float32's lowest.
UNKNOWN_NUMBER: Final = -3.4028234663852886e38
PAD_SCORE: Final = 0.0  # beside a padded id; strict JSON parsers refuse NaN

_HISTORY = (
    Input(HISTORY_ITEM_IDS, "string", "H", PAD_ID),
    Input(HISTORY_RATINGS, "float32", "H", 0.0),  # 0 = rated, stars unknown
    Input(HISTORY_TIMESTAMPS, "int64", "H", 0),  # 0 = unknown
)
_HISTORY_IDS = dataclasses.replace(_HISTORY[0], required=True)
# What the query tower reads.
_QUERY = (
    *_HISTORY,
    Input(USER_ID, "string", None, PAD_ID),
    Input(NOW, "int64", None, 0),  # Unix seconds; 0 = the last event's
    Input(TASTE_GENRES, "string", "T", PAD_ID),
    Input(TASTE_WEIGHTS, "float32", "T", 0.0),
)
_K = Input(K, "int32", None, 0)  # 0 = default_k of the config
# As many columns as the largest k of a request's rows.
_RESULT = (Output(ITEM_IDS, "string", "K"), Output(SCORES, "float32", "K"))
_RECOMMEND = (
    *_QUERY,
    _K,
    Input(EXCLUDE, "string", "E", PAD_ID),
    Input(FILTER_GENRES, "string", "G", PAD_ID),  # any of; none = no filter
    Input(YEAR_MIN, "int32", None, 0),  # inclusive; 0 = no bound
    Input(YEAR_MAX, "int32", None, 0),  # inclusive; 0 = no bound
    Input(DIVERSITY, "float32", None, 0.0),  # 0 = relevance only, 1 = diversity only (MMR)
    # Conditions on any column that the data set has; on one column of values any with = must hold,
    # on one of numbers all, all with != must, and every column's must.
    Input(WHERE, "string", "W", PAD_ID),
    Input(CANDIDATES, "string", "C", PAD_ID),  # rank only these; none = all
    # What is added to the score of an item. An amount and no factor: a score is a cosine, and a factor
    # above 1 would push down an item whose cosine is negative. Divided by the temperature it is what
    # the amount adds to the logarithm of the item's odds.
    Input(BOOST_ITEM_IDS, "string", "O", PAD_ID),
    Input(BOOSTS, "float32", "O", 0.0),
    # The best are taken one by one, and an item is passed over if one of its values is used up.
    Input(AT_MOST, "string", "V", PAD_ID),
)
_ASKED = Input(ITEM_IDS, "string", "M", PAD_ID, required=True)
_OF_USER = Input(USER_ID, "string", None, PAD_ID, required=True)

SERVING_DEFAULT: Final = "serving_default"
RECOMMEND: Final = "recommend"
RECOMMEND_EXACT: Final = "recommend_exact"
RECOMMEND_USER: Final = "recommend_user"
SIMILAR: Final = "similar"
RATE: Final = "rate"
DETAILS: Final = "details"
EXPLAIN: Final = "explain"
EMBED_QUERY: Final = "embed_query"
EMBED_ITEM: Final = "embed_item"
EVALUATE: Final = "evaluate"

# Outputs of `evaluate` beyond ITEM_IDS, SCORES, TARGET_ITEM_IDS, TARGET_RATINGS (or TARGET_WEIGHTS).
EXACT_ITEM_IDS: Final = "exact_item_ids"  # string[B, K]: exact search on the same query
POPULAR_ITEM_IDS: Final = "popular_item_ids"  # string[B, K]: popularity's ranking, history excluded
PREDICTED_RATINGS: Final = "predicted_ratings"  # float[B, M]: stars, NaN past the end
ITEM_NOVELTY: Final = "item_novelty"  # float[B, K]: -log2 of the item's share of train ratings
TARGET_COLD: Final = "target_cold"  # float[B, M]: 1 where the target has no train rating, NaN past the end
CATALOGUE_SIZE: Final = "catalogue_size"  # int64[B]: N, for coverage

SIGNATURES: Final[dict[str, Signature]] = {
    signature.name: signature
    for signature in (
        Signature(SERVING_DEFAULT, (_HISTORY_IDS, *_HISTORY[1:]), _RESULT),
        # A request that says nothing (no known history, no taste, no `now` and, where the data has
        # columns of users, no user id) gets the popular list that meets its filters; a score is then
        # the item's share of the train ratings.
        Signature(RECOMMEND, _RECOMMEND, _RESULT),
        Signature(RECOMMEND_EXACT, _RECOMMEND, _RESULT),
        Signature(RECOMMEND_USER, (_OF_USER, _K), _RESULT),
        Signature(SIMILAR, (Input(ITEM_ID, "string", None, PAD_ID, required=True), _K), _RESULT),
        # Stars; 0 for a padded or unknown item.
        Signature(RATE, (*_QUERY, _ASKED), (Output(RATINGS, "float32", "M"),)),
        # For each item asked about: how much of its score each history item
        # carries (score with the whole history minus score without that item).
        # R is EXPLAIN_WIDTH, heaviest first, padded.
        Signature(
            EXPLAIN,
            (*_QUERY, _ASKED),
            (Output(HISTORY_ITEM_IDS, "string", "M", depth="R"), Output(WEIGHTS, "float32", "M", depth="R")),
        ),
        # The catalogue's values as text, "" for what is not known: several values as
        # `contract.cells` has them, numbers as short as is exact. The columns that a row
        # asks for come back beside them, for one that leaves them out means all.
        Signature(
            DETAILS,
            (_ASKED, Input(COLUMNS, "string", "L", PAD_ID)),
            (Output(COLUMNS, "string", "L"), Output(VALUES, "string", "M", depth="L")),
        ),
        Signature(EMBED_QUERY, _QUERY, (Output(EMBEDDING, "float32", "D"),)),
        # An item by its content, known or not; an id the model has learnt adds its own row.
        # A number or text that is not said is unknown.
        Signature(
            EMBED_ITEM,
            (
                Input(ITEM_ID, "string", None, PAD_ID),
                Input(ATTRIBUTES, "string", "A", PAD_ID),
                Input(RATING_COUNT, "int64", None, 0),
            ),
            (Output(EMBEDDING, "float32", "D"),),
        ),
        Signature(
            EVALUATE,
            (Input(EXAMPLES, "string", None, PAD_ID, required=True),),  # serialized timelines
            (
                *_RESULT,
                Output(EXACT_ITEM_IDS, "string", "K"),
                Output(POPULAR_ITEM_IDS, "string", "K"),
                Output(TARGET_ITEM_IDS, "string", "M"),
                Output(TARGET_RATINGS, "float32", "M"),
                Output(PREDICTED_RATINGS, "float32", "M"),
                Output(ITEM_NOVELTY, "float32", "K"),
                Output(TARGET_COLD, "float32", "M"),
                Output(CATALOGUE_SIZE, "int64", None),
            ),
        ),
    )
}
_Tensor = TypeVar("_Tensor", bound=Output)


def _weighted(item: _Tensor) -> _Tensor:
    return dataclasses.replace(item, name=of_feedback(item.name, implicit=True))


# The same of a model of a log without ratings: an event has a weight, and no stars.
SIGNATURES_OF_WEIGHTS: Final = {
    name: dataclasses.replace(
        signature,
        inputs=tuple(_weighted(item) for item in signature.inputs),
        outputs=tuple(_weighted(item) for item in signature.outputs),
    )
    for name, signature in SIGNATURES.items()
}


def signatures(implicit: bool) -> Mapping[str, Signature]:
    """Those of a model of a log with ratings, or (`implicit`) of one without."""
    return SIGNATURES_OF_WEIGHTS if implicit else SIGNATURES


# How many history items `explain` names for each item.
EXPLAIN_WIDTH: Final = 5
# Width of the result of `evaluate`: the largest k of the metrics.
EVALUATE_K: Final = 100

# Functions of the SavedModel that the trainer writes; the index wraps them. Their inputs are
# those of the signatures of the same names, but for EMBED_ITEM: it takes ITEM_INPUTS and
# the data set's own columns, where the signature takes these as ATTRIBUTES.
ITEM_INPUTS: Final = (
    Input(ITEM_ID, "string", None, PAD_ID),
    Input(YEAR, "int64", None, 0),
    Input(GENRES, "string", "G", PAD_ID),
    Input(TAGS, "string", "T", PAD_ID),
    Input(RATING_COUNT, "int64", None, 0),
)
TOWER_FUNCTIONS: Final = (EMBED_QUERY, EMBED_ITEM, RATE)
# One more where an item's own vector is no query for items like it, nor says how alike two are:
# known ids, string[n], to unit vectors, float32[n, D], that do both.
SIMILAR_QUERY: Final = "similar_query"

# --- models and what each carries in assets.extra ------------------------------
MODEL: Final = "marquee"  # ScaNN and exact search
MODEL_EXACT: Final = "marquee-exact"  # stock ops only: loads into a stock TensorFlow Serving
MODELS: Final = (MODEL, MODEL_EXACT)
# Which events the pushed model was fitted on: train, as it was tested, or all of
# them. With `all` the model that was tested is published beside it, as MODEL_TESTED:
# later candidates are compared with that one, which has not seen the test split.
FinalFit = Literal["train", "all"]
ALL: Final = "all"
FINAL_FIT: Final = "final_fit"  # key of the config and of PUSHED.json
MODEL_TESTED: Final = "marquee-tested"

ASSETS_EXTRA: Final = "assets.extra"
WARMUP_REQUESTS: Final = "tf_serving_warmup_requests"  # TFRecord of PredictionLog, at most 1,000
CATALOGUE: Final = "catalogue.parquet"  # the items the model knows, ITEM_FEATURES
POPULARITY: Final = "popularity.parquet"  # item_id, score; most popular first
ITEM_MAP: Final = "map.parquet"  # item_id, MAP_X, MAP_Y; most rated first; no rows if it is off
MAP_X: Final = "x"  # float, most within -1 to 1: near each other what the model holds for alike
MAP_Y: Final = "y"
RATING_HISTOGRAMS: Final = "histograms.parquet"  # item_id, HISTOGRAM_VALUE, HISTOGRAM_COUNT: train ratings
HISTOGRAM_VALUE: Final = "value"
HISTOGRAM_COUNT: Final = "count"
SHOWN_USERS: Final = "users.parquet"  # for an operator to look at: some users' history and held-out events
WARM_START: Final = "warm_start.npz"  # weights and vocabularies, in the towers and in MODEL
# In MODEL, for `marquee drift`: the log that the towers were fitted to, and in a refresh the items then.
FITTED_LOG: Final = "fitted_log.parquet"
FITTED_ITEMS: Final = "fitted_items.parquet"
MODEL_CARD: Final = "model_card.md"  # what it is for, how it was measured, what it holds; pushed models
MODEL_CARD_JSON: Final = "model_card.json"  # the same for programs
INDEX_INFO: Final = "index.json"  # how it was built: config, sizes and ScaNN parameters
DESCRIPTION: Final = "model.json"  # what a client may ask it: contract.description
KIND: Final = "kind.txt"  # `model.kind` of the config, in the towers

# --- what a run leaves behind ----------------------------------------------------
PUSHED: Final = "PUSHED.json"  # written last, in the version folder of MODEL
# What an application may read of a version, PUSHED from its folder, the rest from assets.extra.
APPLICATION_FILES: Final = (
    CATALOGUE, POPULARITY, DESCRIPTION, INDEX_INFO, PUSHED, ITEM_MAP, RATING_HISTOGRAMS, SHOWN_USERS,
)  # fmt: skip
PINNED: Final = "PINNED"  # a file of this name keeps a version from retention
GATES: Final = "gates.json"  # verdicts, in the blessing artifact
METRICS: Final = "metrics.json"  # overall and by slice, in the evaluation artifact
FIT: Final = "fit.json"  # what a fit came to, in the model_run artifact

# In both of ExampleGen's Examples artifacts, beside the splits.
FEATURES: Final = "features.json"  # what their columns mean

# In ExampleGen's quarantine artifact.
BAD_ROWS: Final = "bad_rows.jsonl"  # table, file, line, kind and reason of every row set aside
ROWS: Final = "rows.json"  # rows in = used + set aside + left out by the config, by table

# In PUSHED.json: version, time and metrics of the pushes before this one, oldest first.
EARLIER: Final = "earlier"

# In the report of the catalogue check of a refresh: numbers of items, of new and of removed ones.
CATALOGUE_CHANGES: Final = "catalogue_changes.json"

# In PUSHED.json of a refresh: the version that its towers were fitted for.
REFRESHES: Final = "refreshes"

# Custom properties of artifacts and execution properties.
CODE_HASH: Final = "marquee_code"  # hash of the sources a component runs on
DATA_FINGERPRINT: Final = "data_fingerprint"  # hash of the input files
VERSION_PROPERTY: Final = "pushed_version"  # of a pushed model, and of a baseline: which it is
ABOUT: Final = "about"  # what the model card says of the pipeline, as JSON
PARAMS: Final = "params"  # a room's config section as JSON
