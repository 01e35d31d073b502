"""The whole model: towers, loss and rating head over one catalogue."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import numpy as np
import tensorflow as tf
import tf_keras as keras

import contract
from components.model import user_features
from components.model.batches import Pairs, Sequences
from components.model.closed_form.item_item import ItemItem
from components.model.closed_form.rating_factors import RatingFactors
from components.model.features import Catalogue, ItemFeatures
from components.model.history import History
from components.model.hyperparameters import Hyperparameters
from components.model.profile import Profiles, ProfileTower
from components.model.towers import replicas
from components.model.towers.encoders import CandidateTower, ItemEncoder, QueryTower, Sizes
from components.model.towers.rating_head import RatingHead
from components.model.towers.retrieval_loss import RetrievalLoss, sampling_share, shared_negatives_loss
from components.model.towers.sequence_tower import SequenceTower


class TwoTower(keras.Model):
    """Query tower over histories, candidate tower over items, rating head.

    Args:
      params: widths and rates.
      sizes: vocabulary sizes.
      catalogue: every item; its arrays are constants of the graph.
      global_mean: mean of the train ratings, stars.
      dates: Unix seconds of the first and the last training event.
      uniform_negatives: S, items drawn evenly for each batch beside its own.
      rating_weight: weight of the rating head's squared error in the loss.
      low_rating_weight: weight in the retrieval loss of a positive rated below
        the relevance threshold (1 = as much as a relevant one).
      implicit: the events have weights instead of ratings. There is no rating
        head, and a positive counts by its own event's weight.
      profiles: what is known of users beside their events; None for nothing.
    """

    inputs_by_word: tuple[str, ...] = ()

    def __init__(
        self,
        params: Hyperparameters,
        sizes: Sizes,
        catalogue: Catalogue,
        global_mean: float,
        dates: tuple[int, int],
        *,
        uniform_negatives: int = 0,
        rating_weight: float = 1.0,
        low_rating_weight: float = 1.0,
        implicit: bool = False,
        profiles: Profiles | None = None,
    ) -> None:
        super().__init__()
        self.params = params
        self.encoder = ItemEncoder(sizes, params)
        self.by_sequence = params.query_encoder == "transformer"
        self.query_tower = SequenceTower(sizes, params) if self.by_sequence else QueryTower(sizes, params)
        self.candidate_tower = CandidateTower(params)
        self.rating_head = None if implicit else RatingHead(params, global_mean)
        factors = 0 if implicit else params.rating_factors
        self.rating_factors = RatingFactors(sizes.items, params) if factors else None
        self.item_item = ItemItem(sizes.items, params) if params.item_item_weight > 0 else None
        self.profiles = profiles
        self.profile_tower = None if profiles is None else ProfileTower(profiles, params)
        if profiles is not None:
            self._profile_content = {name: tf.constant(x) for name, x in profiles.content.items()}
        self.standardise = keras.layers.Normalization(name="user_features")
        self._retrieval_loss = RetrievalLoss(params.temperature)
        self._uniform = uniform_negatives
        self._rating_weight = rating_weight
        self._low_rating_weight = low_rating_weight
        self._first, self._last = (tf.constant(date, tf.int64) for date in dates)
        self.catalogue = catalogue
        self._features = catalogue.features.map(tf.constant)
        self._genres = tf.constant(catalogue.genres)
        self._count = tf.constant(catalogue.rating_count)
        self._sum = tf.constant(catalogue.rating_sum)
        total = float(np.sum(catalogue.rating_count))
        self._frequency = tf.constant(catalogue.rating_count / max(total, 1.0))

    # --- parts -------------------------------------------------------------------
    def encode_rows(self, *rows: tf.Tensor, training: bool = False) -> list[tf.Tensor]:
        """float32[..., D] for each of `rows`: the shared encoding, each item of the batch encoded once."""
        flat = [tf.reshape(part, [-1]) for part in rows]
        unique, index = tf.unique(tf.concat(flat, axis=0))
        encoded = self.encoder(self._features.gather(unique), training=training)
        places = tf.split(index, [tf.size(part) for part in flat])
        return [
            tf.gather(encoded, tf.reshape(place, tf.shape(part)))
            for place, part in zip(places, rows, strict=True)
        ]

    def user_features(self, history: History, now: tf.Tensor) -> tf.Tensor:
        return self.standardise(user_features.summary(history, now))

    def calendar(self, history: History, now: tf.Tensor) -> tf.Tensor:
        return user_features.calendar(history, now, self._first, self._last)

    def query(
        self,
        history: History,
        encoded: tf.Tensor,
        features: tf.Tensor,
        calendar: tf.Tensor,
        given_taste: tf.Tensor,
        profile: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """float32[B, D]: the query tower with the tastes that the history shows, moved by the profile."""
        shown = user_features.genre_taste(history, self._genres)
        query = self.query_tower(history, encoded, features, calendar, shown, given_taste, training=training)
        return query if profile is None else self._moved(query, profile, training)

    def _moved(self, query: tf.Tensor, profile: tf.Tensor, training: bool) -> tf.Tensor:
        """float32[B, D]: queries moved by the users' profiles, int32[B]."""
        if self.profile_tower is None:
            return query
        if training:
            # Profile dropout: a query without a profile is trained too.
            kept = tf.random.uniform(tf.shape(profile)) >= self.params.id_dropout
            profile = tf.where(kept, profile, 0)
        content = {name: tf.gather(values, profile) for name, values in self._profile_content.items()}
        return self.profile_tower(query, content)

    def embed_query(self, history: History, now: tf.Tensor, profile: tf.Tensor | None = None) -> tf.Tensor:
        """float32[B, D + R]: what a dot product with `embed_catalogue` turns into scores."""
        (encoded,) = self.encode_rows(history.rows)
        taste = tf.zeros([tf.shape(now)[0], self._genres.shape[1]])
        tower = self.query(
            history, encoded, self.user_features(history, now), self.calendar(history, now), taste, profile
        )
        if self.item_item is None:
            return tower
        return self.item_item.query(tower, history, tf.gather(self._features.item_index, history.rows))

    def embed_items(self, items: ItemFeatures) -> tf.Tensor:
        """float32[n, D + R]: unit vectors."""
        tower = self.candidate_tower(self.encoder(items), items.popularity_scaled)
        return self.item_item.candidate(tower, items.item_index) if self.item_item else tower

    def embed_catalogue(self) -> tf.Tensor:
        """float32[N, D + R]: every item's unit vector."""
        return self._in_blocks(self.embed_items)

    def encode_catalogue(self) -> tf.Tensor:
        """float32[N, D]: every item's shared encoding."""
        return self._in_blocks(self.encoder)

    def _in_blocks(self, embed: Callable[[ItemFeatures], tf.Tensor], block: int = 16_384) -> tf.Tensor:
        starts = range(0, self.catalogue.size, block)
        blocks = (tf.range(start, min(start + block, self.catalogue.size)) for start in starts)
        return tf.concat([embed(self._features.gather(rows)) for rows in blocks], axis=0)

    @property
    def parameters(self) -> int:
        """Learnt in steps, and solved for."""
        solved = (part.variables for part in (self.item_item, self.rating_factors) if part is not None)
        return sum(int(np.prod(x.shape)) for x in chain(self.trainable_variables, *solved))

    # --- training ------------------------------------------------------------------
    def step_losses(self, *batch: Pairs | Sequences, training: bool) -> dict[str, tf.Tensor]:
        """`sequence_losses_of`, or `losses_of` where the query tower reads pairs."""
        if self.by_sequence:
            sequences, pairs = batch
            return self.sequence_losses_of(sequences, pairs, training)
        (pairs,) = batch
        return self.losses_of(pairs, training)

    def total_loss(self, losses: dict[str, tf.Tensor]) -> tf.Tensor:
        """Scalar: retrieval loss + rating_weight x squared error (stars) of the rating head, if any."""
        return losses["retrieval"] + self._rating_weight * losses.get("rating", 0.0)

    def losses_of(self, pairs: Pairs, training: bool) -> dict[str, tf.Tensor]:
        """The scalar losses by name, before they are weighted: retrieval, and rating with a rating head.

        On a replica, its parts of them.
        """
        history, target, now = pairs.history, pairs.target, pairs.now
        batch = tf.shape(target)[0]
        taste = tf.zeros([batch, self._genres.shape[1]])
        if training and self.params.history_dropout > 0:
            history, taste, now = self._drop_histories(history, taste, now)
        uniform = replicas.share(self._uniform)
        extra = tf.random.uniform([uniform], maxval=self.catalogue.size, dtype=tf.int32)
        rows = tf.concat([target, extra], axis=0)
        in_history, encoded = self.encode_rows(history.rows, rows, training=training)
        features, calendar = self.user_features(history, now), self.calendar(history, now)
        query = self.query(history, in_history, features, calendar, taste, pairs.profile, training=training)
        # A target's own rating is taken out of its item's count and mean.
        own = tf.concat([tf.ones([batch]), tf.zeros([uniform])], axis=0)
        popularity = self.catalogue.popularity.scale(tf.gather(self._count, rows) - own)
        candidates = self.candidate_tower(encoded, popularity, training=training)
        candidates, rows = replicas.own_first(candidates, rows)
        share = sampling_share(
            tf.gather(self._frequency, rows), replicas.total(batch), self._uniform, self.catalogue.size
        )
        weights = self._positive_weights(pairs.target_rating)
        losses = {"retrieval": self._retrieval_loss(query, candidates, rows, share, weights)}
        if self.rating_head is not None:
            stars = self._rate_pairs(pairs, history, in_history, encoded[:batch], features, training)
            losses["rating"] = replicas.mean(tf.square(stars - pairs.target_rating))
        return losses

    def sequence_losses_of(self, sequences: Sequences, pairs: Pairs, training: bool) -> dict[str, tf.Tensor]:
        """The same losses of a tower that answers at every position at once.

        Args:
          sequences: for the retrieval loss.
          pairs: for the rating head, and to learn queries of genre tastes alone.
        """
        history, now = sequences.history, sequences.now
        everything = self._uniform >= self.catalogue.size  # then it is the full softmax
        negatives = (
            replicas.part(tf.range(self.catalogue.size))
            if everything
            else tf.random.uniform(
                [replicas.share(self._uniform)], maxval=self.catalogue.size, dtype=tf.int32
            )
        )
        flat = tf.boolean_mask(sequences.target, history.mask)
        rows, place = tf.unique(flat)
        in_history, positive, negative, in_pairs, paired = self.encode_rows(
            history.rows, rows, negatives, pairs.rows, pairs.target, training=training
        )
        calendar = user_features.date_bumps(now, self._first, self._last)
        queries = tf.boolean_mask(
            self.query_tower.every_position(history, in_history, calendar, training=training), history.mask
        )
        profile = tf.broadcast_to(sequences.profile[:, tf.newaxis], tf.shape(history.mask))
        queries = self._moved(queries, tf.boolean_mask(profile, history.mask), training)
        # A target's own rating is taken out of its item's count.
        scale, count = self.catalogue.popularity.scale, self._count
        positive = self.candidate_tower(positive, scale(tf.gather(count, rows) - 1.0), training=training)
        negative = self.candidate_tower(negative, scale(tf.gather(count, negatives)), training=training)
        negative, negatives = replicas.own_first(negative, negatives)
        stars = tf.boolean_mask(sequences.target_rating, history.mask)
        losses = {
            "retrieval": shared_negatives_loss(
                queries,
                tf.gather(positive, place),
                negative,
                flat[:, tf.newaxis] == negatives,
                self._positive_weights(stars),
                self.params.temperature,
                self.catalogue.size,
            )
        }
        if training and self.params.history_dropout > 0:
            losses["retrieval"] += self.params.history_dropout * self._taste_loss(pairs, paired)
        if self.rating_head is not None:
            features = self.user_features(pairs.history, pairs.now)
            stars = self._rate_pairs(pairs, pairs.history, in_pairs, paired, features, training)
            losses["rating"] = replicas.mean(tf.square(stars - pairs.target_rating))
        return losses

    def _taste_loss(self, pairs: Pairs, encoded: tf.Tensor) -> tf.Tensor:
        """Scalar: retrieval loss of queries that know a few genre tastes in place of the history.

        Half of them know the time of the request, too.
        """
        target, batch = pairs.target, tf.shape(pairs.target)[0]
        empty = pairs.history._replace(mask=tf.zeros_like(pairs.mask))
        now = tf.where(tf.random.uniform([batch]) < 0.5, tf.zeros_like(pairs.now), pairs.now)
        queries = self.query_tower.without_history(self.calendar(empty, now), self._few_tastes(pairs.history))
        queries = self._moved(queries, pairs.profile, training=True)
        popularity = self.catalogue.popularity.scale(tf.gather(self._count, target) - 1.0)
        candidates = self.candidate_tower(encoded, popularity, training=True)
        candidates, rows = replicas.own_first(candidates, target)
        share = sampling_share(
            tf.gather(self._frequency, rows), replicas.total(batch), 0, self.catalogue.size
        )
        return self._retrieval_loss(
            queries, candidates, rows, share, self._positive_weights(pairs.target_rating)
        )

    def _positive_weights(self, ratings: tf.Tensor) -> tf.Tensor:
        """float32[B]: what each positive counts in the retrieval loss."""
        if self.rating_head is None:
            return contract.weight_of_rating(ratings)
        return tf.where(ratings >= contract.RELEVANT_RATING, 1.0, self._low_rating_weight)

    def _few_tastes(self, history: History) -> tf.Tensor:
        """float32[B, G]: the genre tastes that histories show, as people name them: the strongest three."""
        shown = user_features.genre_taste(history, self._genres)
        third = tf.math.top_k(shown, k=min(3, shown.shape[1])).values[:, -1:]
        shown = tf.where(shown >= third, shown, 0.0)
        return tf.math.divide_no_nan(shown, tf.reduce_sum(shown, axis=1, keepdims=True))

    def _drop_histories(
        self, history: History, taste: tf.Tensor, now: tf.Tensor
    ) -> tuple[History, tf.Tensor, tf.Tensor]:
        """Give a share of the queries their history's genre tastes, in its place or beside it.

        Half of those without a history lose the time of the request, too.
        """
        chance = tf.random.uniform([tf.shape(history.mask)[0], 1]) / self.params.history_dropout
        shown = self._few_tastes(history)
        in_place, beside = chance < 1.0, (chance >= 1.0) & (chance < 2.0)
        return (
            history._replace(mask=history.mask & ~in_place),
            tf.where(in_place | beside, shown, taste),
            tf.where(chance[:, 0] < 0.5, tf.zeros_like(now), now),
        )

    def _rate_pairs(
        self,
        pairs: Pairs,
        history: History,
        in_history: tf.Tensor,
        item: tf.Tensor,
        features: tf.Tensor,
        training: bool,
    ) -> tf.Tensor:
        """float32[B] stars for each pair's target, whose own rating its item's mean leaves out."""
        head = self.rating_head
        assert head is not None
        count = tf.gather(self._count, pairs.target) - 1.0
        total = tf.gather(self._sum, pairs.target) - pairs.target_rating
        history_bias = head.item_bias(
            tf.gather(self._count, history.rows), tf.gather(self._sum, history.rows)
        )
        user_bias = head.user_bias(history, history_bias)
        stars = head(
            # The encoding is shaped by retrieval; stars read it as it is.
            tf.stop_gradient(item)[:, tf.newaxis],
            tf.stop_gradient(in_history),
            head.residuals(history, history_bias, user_bias),
            history.mask,
            user_bias,
            head.item_bias(count, total)[:, tf.newaxis],
            tf.math.log1p(count)[:, tf.newaxis],
            features,
            training=training,
        )
        return stars[:, 0]
