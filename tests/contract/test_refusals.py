"""The words of refused requests: complete, and free of TensorFlow's."""

from __future__ import annotations

import string

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import refusals
from contract.refusals import Refusal

# TensorFlow escapes the rest; brackets end its own list.
PRINTED = st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="[]\\\"'")


@pytest.mark.parametrize("name", refusals.ALL)
def test_each_says_the_rule_what_came_and_what_to_do(name):
    refusal = refusals.ALL[name]
    parsed = string.Formatter().parse(refusal.rule + refusal.do)
    text = refusal.text("THIS", **{field: f"<{field}>" for _, field, _, _ in parsed if field})
    rule, _, do = text.partition(", got THIS; ")
    assert rule and do and "{" not in text


@settings(max_examples=20, deadline=None)
@given(st.text(PRINTED, max_size=8), st.integers())
def test_of_a_failed_check_the_words_are_left(came, number):
    refusal = Refusal("x must be small", "send less")
    before, behind = refusal.parts()

    @tf.function(autograph=False)
    def check(good, texts, number):
        with tf.control_dependencies([tf.debugging.Assert(good, [before, texts, number, behind])]):
            return tf.identity(number)

    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        check(False, tf.constant([came]), number % 1000)
    words = refusals.plain(error.value.message)
    assert words.startswith("x must be small, got") and words.endswith(f"{number % 1000}; send less")
    assert "assertion" not in words and "{{" not in words and came.strip() in words


def test_another_message_loses_its_nodes_alone():
    text = "Could not parse example input, value: 'x'\n\t [[{{function_node __inference_1}}{{node Parse}}]]"
    assert refusals.plain(text) == "Could not parse example input, value: 'x'"
