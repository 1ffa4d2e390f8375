"""JSON texts: what `json` writes, with the encoder that is made once and with the one of other Pythons."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelgate.bridge.texts import encoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)


@pytest.fixture(params=["made once", "without C"])
def make(request, monkeypatch):
    if request.param == "without C":
        monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    return encoder


@pytest.mark.parametrize("made", [encoder(allow_nan=True)])
@given(VALUES)
def test_it_writes_what_json_writes(made, value):
    assert made(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_text_stays_as_it_is(make):
    encode = make(allow_nan=False)
    assert encode({"ä": 'ü\u2028\n"', "n": [1, 2.5, True, None]}) == '{"ä":"ü\u2028\\n\\"","n":[1,2.5,true,null]}'
    assert encode("ä") == '"ä"'


def test_what_json_does_not_have_is_refused_unless_it_is_allowed(make):
    for value in (math.nan, math.inf, -math.inf):
        assert make(allow_nan=True)([value]) == json.dumps([value])
        with pytest.raises(ValueError, match="not JSON compliant"):
            make(allow_nan=False)({"a": [value]})
    with pytest.raises(TypeError, match="not JSON serializable"):
        make(allow_nan=True)({"a": object()})


def test_what_contains_itself_ends(make):
    value: list = []
    value.append(value)
    with pytest.raises(RecursionError):
        make(allow_nan=False)(value)
