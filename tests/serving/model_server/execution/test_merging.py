from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import tiny_models
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

import contract
from serving.model_server.execution import merging
from serving.model_server.execution.runtime import Model, Signature, TensorInfo

_NUMBERS = {"string": types_pb2.DT_STRING, "float32": 1, "int32": 3, "int64": 9}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    model = Model.load(str(tiny_models.histories(tmp_path_factory.mktemp("histories") / "1")))
    yield model
    model.close()


def _signature(key: str, inputs: dict[str, tuple], outputs: dict[str, tuple]) -> Signature:
    def infos(named: dict[str, tuple]) -> dict[str, TensorInfo]:
        return {name: TensorInfo(f"{name}:0", dtype, shape) for name, (dtype, shape) in named.items()}

    return Signature(key, "", infos(inputs), infos(outputs), meta_graph_pb2.SignatureDef())


def _contract_signature(name: str) -> Signature:
    ours = contract.SIGNATURES[name]
    return _signature(
        name,
        {item.name: (_NUMBERS[item.dtype], item.shape(None, None)) for item in ours.inputs},
        {item.name: (_NUMBERS[item.dtype], item.shape(None, None)) for item in ours.outputs},
    )


def _requests(signature: str) -> st.SearchStrategy[list[dict[str, np.ndarray]]]:
    """Lists of requests with histories of 0 to 40 events, 1 to 3 rows each."""
    words = st.text("ab19", max_size=3)

    @st.composite
    def one(draw: st.DrawFn) -> dict[str, np.ndarray]:
        rows = draw(st.integers(1, 3))
        width = draw(st.integers(0, 40))
        inputs = tiny_models.history_inputs(
            *[draw(st.lists(words, min_size=width, max_size=width)) for _ in range(rows)], signature=signature
        )
        asked = draw(st.integers(0, 4))
        if contract.ITEM_IDS in inputs:
            ids = np.empty((rows, asked), object)
            ids[:] = draw(words).encode()
            inputs[contract.ITEM_IDS] = ids
        return inputs

    return st.lists(one(), min_size=1, max_size=9)


@pytest.mark.parametrize("name", [contract.SERVING_DEFAULT, contract.RATE, contract.EXPLAIN])
def test_together_they_get_what_each_gets_alone(model: Model, name: str) -> None:
    signature = model.signatures[name]
    rule = merging.of_signature(signature, explicit=False, pad=False)

    @settings(max_examples=40, deadline=None)
    @given(requests=_requests(name), padding=st.integers(0, 3))
    def check(requests: list[dict[str, np.ndarray]], padding: int) -> None:
        assert all(rule.group(request) is not None for request in requests)
        parts = rule.parts(requests)
        assert sorted(index for part in parts for index in part) == list(range(len(requests)))
        for part in parts:
            members = [requests[index] for index in part]
            answer = model.run(name, rule.merge(members, padding), signature.output_names)
            for request, found in zip(members, rule.split(answer, members, padding), strict=True):
                alone = model.run(name, request, signature.output_names)
                for key, value in alone.items():
                    assert found[key].shape == value.shape
                    if value.dtype == object:
                        assert found[key].tolist() == value.tolist()
                    else:
                        np.testing.assert_allclose(found[key], value, rtol=1e-5)

    check()


def test_short_histories_are_padded_with_the_neutral_values(model: Model) -> None:
    rule = merging.of_signature(model.signatures[contract.SERVING_DEFAULT], False, False)
    merged = rule.merge([tiny_models.history_inputs(["a"]), tiny_models.history_inputs(["b", "cc"])], 1)
    assert merged[contract.HISTORY_ITEM_IDS].tolist() == [[b"a", b""], [b"b", b"cc"], [b"b", b"cc"]]
    assert merged[contract.HISTORY_RATINGS].tolist() == [[1, 0], [1, 2], [1, 2]]
    assert merged[contract.HISTORY_TIMESTAMPS].tolist() == [[3, 0], [3, 6], [3, 6]]


def test_what_the_graph_would_refuse_goes_alone(model: Model) -> None:
    rule = merging.of_signature(model.signatures[contract.SERVING_DEFAULT], False, False)
    good = tiny_models.history_inputs(["a", "b"])
    assert rule.group(good) is not None
    for wrong in (np.zeros((1, 3), np.float32), np.zeros((2, 2), np.float32), np.zeros(2, np.float32)):
        assert rule.group({**good, contract.HISTORY_RATINGS: wrong}) is None
    scalar = {name: np.asarray(value[0, 0]) for name, value in good.items()}
    assert rule.group(scalar) is None
    assert rule.group({name: value[:0] for name, value in good.items()}) is None


def test_a_long_history_does_not_make_all_others_as_long(model: Model) -> None:
    rule = merging.of_signature(model.signatures[contract.SERVING_DEFAULT], False, False)
    short = [tiny_models.history_inputs(["a"] * 10) for _ in range(9)]
    long = tiny_models.history_inputs(["a"] * 1000)
    assert rule.parts([*short[:4], long, *short[4:]]) == [[4], [0, 1, 2, 3, 5, 6, 7, 8, 9]]
    assert len(rule.parts([*short, tiny_models.history_inputs(["a"] * 20)])) == 1


@pytest.mark.parametrize("name", sorted(contract.SIGNATURES))
def test_every_signature_of_the_contract_but_evaluate_is_known(name: str) -> None:
    rule = merging.of_signature(_contract_signature(name), explicit=False, pad=False)
    # The width of what `evaluate` answers follows from the records, not from an input's width.
    assert (rule is None) == (name == contract.EVALUATE)
    assert rule is None or isinstance(rule, merging.Contract)


def test_another_model_s_signature_of_our_name_is_not_ours() -> None:
    ours = _contract_signature(contract.SIMILAR)
    inputs = {**ours.inputs, contract.K: TensorInfo("k:0", types_pb2.DT_INT64, (None,))}
    other = dataclasses.replace(ours, inputs=inputs)
    assert merging.of_signature(other, False, False) is None
    assert isinstance(merging.of_signature(other, True, False), merging.Rowwise)


@pytest.mark.parametrize(
    ("inputs", "outputs", "batched"),
    [
        ({"x": (1, (None, 2))}, {"y": (1, (None,))}, True),
        ({"x": (1, None)}, {"y": (1, (None,))}, True),
        ({"x": (1, (4,))}, {"y": (1, (None,))}, True),
        ({"x": (1, (None,))}, {"y": (1, (1,))}, True),
        ({"x": (1, (None,)), "s": (1, ())}, {"y": (1, (None,))}, False),
        ({"x": (1, (None,))}, {"y": (1, ())}, False),
        ({}, {"y": (1, (None,))}, False),
    ],
)
def test_other_signatures_are_batched_only_if_asked_for(inputs: dict, outputs: dict, batched: bool) -> None:
    signature = _signature("other", inputs, outputs)
    assert merging.of_signature(signature, False, False) is None
    assert (merging.of_signature(signature, True, False) is not None) == batched


def test_other_models_by_tensorflow_serving_s_rule() -> None:
    rule = merging.Rowwise(pad=True)
    small, wide = {"x": np.array([[5.0, 6.0]])}, {"x": np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])}
    assert rule.group(small) == rule.group(wide)
    assert rule.merge([small, wide], 2)["x"].tolist() == [
        *[[5, 6, 5], [1, 2, 3], [4, 4, 4]],
        *[[1, 2, 3], [1, 2, 3]],  # the first row of the last request
    ]
    assert merging.Rowwise(pad=False).group(small) != merging.Rowwise(pad=False).group(wide)
    # An empty tensor has no first element, a tensor of another rank no place.
    assert rule.group({"x": np.ones((1, 0))}) != rule.group(small)
    assert rule.group({"x": np.ones((1, 2, 2))}) != rule.group(small)
    assert rule.group({"x": np.ones(())}) is None
    assert rule.group({"x": np.ones((2, 1)), "y": np.ones((3, 1))}) is None


def test_an_answer_that_has_not_a_row_per_row_is_noticed(model: Model) -> None:
    requests = [{"x": np.ones((2, 1))}, {"x": np.ones((1, 1))}]
    rule = merging.Rowwise(pad=False)
    parts = rule.split({"y": np.arange(4)}, requests, 1)
    assert [part["y"].tolist() for part in parts] == [[0, 1], [2]]
    for wrong in (np.arange(3), np.ones(())):
        with pytest.raises(merging.NotRowwiseError):
            rule.split({"y": wrong}, requests, 1)
    ours = merging.of_signature(model.signatures[contract.SERVING_DEFAULT], False, False)
    with pytest.raises(merging.NotRowwiseError):
        ours.split({contract.SCORES: np.ones((3, 2))}, [tiny_models.history_inputs(["a"])], 0)


def test_details_are_cut_to_the_items_and_columns_of_each_request() -> None:
    rule = merging.of_signature(_contract_signature(contract.DETAILS), explicit=False, pad=False)
    requests = [
        {contract.ITEM_IDS: np.full((rows, items), b"a"), contract.COLUMNS: np.full((rows, columns), b"c")}
        for rows, items, columns in ((1, 3, 1), (2, 1, 4))
    ]
    merged = rule.merge(requests, 0)
    assert merged[contract.ITEM_IDS].shape == (3, 3) and merged[contract.COLUMNS].shape == (3, 4)
    outputs = {contract.COLUMNS: merged[contract.COLUMNS], contract.VALUES: np.zeros((3, 3, 4))}
    parts = rule.split(outputs, requests, 0)
    assert [part[contract.COLUMNS].shape for part in parts] == [(1, 1), (2, 4)]
    assert [part[contract.VALUES].shape for part in parts] == [(1, 3, 1), (2, 1, 4)]


def test_each_gets_as_many_results_as_its_own_largest_k() -> None:
    signature = _contract_signature(contract.RECOMMEND_USER)
    signature.proto.defaults[contract.K].CopyFrom(tf.make_tensor_proto([4], tf.int32))
    rule = merging.of_signature(signature, explicit=False, pad=False)
    requests = [
        {contract.USER_ID: np.array([b"a"] * len(k), object), contract.K: np.array(k, np.int32)}
        for k in ([2], [7, 1], [0], [0, 3])
    ]
    ids = np.arange(6 * 7).reshape(6, 7)
    parts = rule.split({contract.ITEM_IDS: ids, contract.SCORES: ids}, requests, 0)
    assert [part[contract.ITEM_IDS].shape for part in parts] == [(1, 2), (2, 7), (1, 4), (2, 4)]
    np.testing.assert_array_equal(parts[3][contract.SCORES], ids[4:6, :4])
