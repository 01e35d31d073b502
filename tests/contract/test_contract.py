from __future__ import annotations

import pytest

import contract
from components.common.tensors import input_specs, neutral


def test_rows_are_padded_with_neutral_values_to_the_longest():
    rows = [
        {contract.HISTORY_ITEM_IDS: ["1", "6"], contract.HISTORY_RATINGS: (5.0, 4.0), contract.K: 3},
        {contract.HISTORY_ITEM_IDS: ["9"], contract.K: None},
    ]
    filled = contract.SIGNATURES[contract.RECOMMEND].filled(rows)
    assert list(filled) == [item.name for item in contract.SIGNATURES[contract.RECOMMEND].inputs]
    assert filled[contract.HISTORY_ITEM_IDS] == [["1", "6"], ["9", b""]]
    assert filled[contract.HISTORY_RATINGS] == [[5.0, 4.0], [0.0, 0.0]]
    assert filled[contract.HISTORY_TIMESTAMPS] == [[0], [0]]
    assert filled[contract.K] == [3, 0]
    assert filled[contract.DIVERSITY] == [0.0, 0.0]


def test_an_input_that_the_signature_lacks_is_named_beside_those_it_has():
    with pytest.raises(ValueError, match="similar has no input genres; it has item_id, k"):
        contract.SIGNATURES[contract.SIMILAR].filled([{contract.FILTER_GENRES: ["Drama"]}])


@pytest.mark.parametrize("signature", contract.SIGNATURES.values(), ids=contract.SIGNATURES)
def test_neutral_rows_and_tensors_are_the_same_values(signature):
    filled = signature.filled([{}] * 3)
    for item, spec in zip(signature.inputs, input_specs(signature.name), strict=True):
        tensor = neutral(item, 3)
        assert tensor.numpy().tolist() == filled[item.name]
        assert (spec.name, spec.dtype) == (item.name, tensor.dtype)
        assert spec.shape.is_compatible_with(tensor.shape)
