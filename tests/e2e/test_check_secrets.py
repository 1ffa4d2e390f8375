"""A secret is never empty: no setting fails open because a variable was left empty."""

import pytest
from rig.check import refused, run

#: Every setting that controls access, or that is meaningless when empty.
SECRETS = {
    "api.key": "",
    "auth.secret_key": "",
    "auth.secret_key_fallbacks": [""],
    "auth.jwt.signing_key": "",
    "auth.jwt.verifying_key": "",
    "auth.jwt.previous_keys": [""],
    "backend.secret": "",
    "layer.keys": [""],
    "layer.url": "",
    "layer.hosts": [""],
    "cache.url": "",
    # An empty claim would be a role.
    "api.admin_roles": [""],
    # A claim, or a key of a dict, without a name.
    "auth.jwt.user_id_claims": [""],
    "auth.ws_token.user_id_keys": [""],
}
#: What those settings need to have an effect.
BESIDE = {
    "auth.jwt.verifying_key": 'algorithm = "RS256"\n',
    "auth.jwt.previous_keys": 'signing_key = "a key that is long enough for the tests"\n',
    "auth.secret_key_fallbacks": 'secret_key = "a key that is long enough for the tests"\n',
}


def written(key: str, value) -> str:
    table, _, name = key.rpartition(".")
    text = "[" + ", ".join(f'"{item}"' for item in value) + "]" if isinstance(value, list) else f'"{value}"'
    return f"[{table}]\n{name} = {text}\n{BESIDE.get(key, '')}"


def of(key: str, text: str):
    """The same kind of value with another text."""
    return [text] if isinstance(SECRETS[key], list) else text


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("text", ["", " \\t"], ids=["empty", "blanks"])
def test_an_empty_secret_in_the_file_is_refused(tmp_path, key, text):
    told = refused(tmp_path, written(key, of(key, text)), key, line=2)
    assert "empty" in told or "redis://" in told, told


@pytest.mark.parametrize("key", SECRETS)
@pytest.mark.parametrize("text", ["", '""'], ids=["nothing", "quotes"])
def test_an_empty_secret_in_the_environment_is_refused(tmp_path, key, text):
    variable = f"CHANNELGATE__{key.replace('.', '__').upper()}"
    value = f"[{text}]" if isinstance(SECRETS[key], list) and text else text
    told = refused(tmp_path, f"[{key.rpartition('.')[0]}]\n{BESIDE.get(key, '')}", key, **{variable: value})
    assert variable in told and ("empty" in told or "redis://" in told), told


@pytest.mark.parametrize("value", [",", "a,,b", "a,", " , "])
@pytest.mark.parametrize("variable", ["CHANNELGATE_LAYER_KEYS", "CHANNELGATE__LAYER__KEYS"])
def test_a_list_of_keys_with_a_hole_in_it_is_refused(tmp_path, variable, value):
    assert "empty" in refused(tmp_path, "", "layer.keys", **{variable: value})


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_named_variable_keeps_the_files_value(tmp_path, value):
    """`CHANNELGATE_API_KEY: ${API_KEY:-}` of a compose file counts as unset; it does not open access."""
    text = '[api]\nkey = "the key of the file"\n[layer]\nkeys = ["the key of the layer"]\n'
    env = dict.fromkeys(("CHANNELGATE_API_KEY", "CHANNELGATE_LAYER_KEYS", "DJANGO_SECRET_KEY", "REDIS_URL"), value)
    verdict = run(tmp_path, text, command="print-config", **env)
    if value:
        # Blanks are a mistake and not an omission.
        assert verdict.code == 2 and "empty" in verdict.errors, verdict.output
    else:
        assert verdict.code == 0, verdict.errors
        assert 'key = "***"' in verdict.output and 'keys = ["***"]' in verdict.output


#: Settings that would be accepted without any effect.
USELESS = {
    "auth.jwt.verifying_key": '[auth.jwt]\nverifying_key = "x"\n',
    "auth.jwt.signing_key": '[auth.jwt]\nsigning_key = "a key that is long enough"\nalgorithm = "RS256"\n',
    "backend.secret": '[backend]\nsecret = "signs nothing that goes to a worker"\nworker = "calls"\n',
}


@pytest.mark.parametrize("key", USELESS)
def test_a_secret_without_effect_is_refused(tmp_path, key):
    refused(tmp_path, USELESS[key], key, line=2)


def test_the_invalid_key_is_named_as_written(tmp_path):
    keys = '["good enough for a key of the tests", ""]'
    text = f'[auth]\nsecret_key = "good enough for a key of the tests"\nsecret_key_fallbacks = {keys}\n'
    assert "auth.secret_key_fallbacks[1]: " in refused(tmp_path, text, "auth.secret_key_fallbacks", line=3)
    text = f"[auth.jwt]\nprevious_keys = {keys}\n"
    assert "auth.jwt.previous_keys[1]: " in refused(tmp_path, text, "auth.jwt.previous_keys", line=2)
