"""A blob belongs to one project, one connection and one call, and unpacks no further than it may."""

import base64
import os
import zlib

import pytest
from django.conf import settings
from django.test import override_settings
from harness.keeping import captured, made
from hypothesis import given
from hypothesis import strategies as st

from channelgate.bridge.refusals import Refused
from channelgate.bridge.state import restore, seal, sealing, unseal

PAYLOAD = {"c": "a:B", "s": {}, "a": {"x": 1}}


def sealed(payload=PAYLOAD, connection="conn", seq=7, limit=65536):
    return seal(payload, connection=connection, seq=seq, limit=limit)


def refused(blob, connection="conn", seq=8):
    with pytest.raises(Refused) as error:
        unseal(blob, connection=connection, seq=seq)
    return error.value.kind, error.value.text


FORGED = ("signature", "the state was not signed by this project for this connection")


def test_the_next_call_of_the_connection_reads_it_and_nobody_else():
    blob = sealed()
    assert unseal(blob, connection="conn", seq=8) == PAYLOAD
    assert refused(blob, connection="other") == FORGED
    for seq in (0, 6, 7, 9):
        assert refused(blob, seq=seq) == FORGED
    assert refused(sealed(connection="conn1", seq=1), connection="conn", seq=12) == FORGED
    assert refused(None) == refused("") == ("state", "no state was sent along")


@given(st.data())
def test_no_changed_byte_passes(data):
    blob = base64.b64decode(sealed())
    at = data.draw(st.integers(0, len(blob) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = blob[:at] + bytes([blob[at] ^ (1 << bit)]) + blob[at + 1 :]
    assert refused(base64.b64encode(changed).decode()) == FORGED


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(lambda b: base64.b64encode(b).decode())))
def test_no_other_text_passes(blob):
    assert refused(blob) == FORGED


def test_a_key_of_the_fallbacks_still_reads_and_a_foreign_one_does_not():
    blob = sealed()
    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY="a new key", SECRET_KEY_FALLBACKS=["older", old]):
        assert unseal(blob, connection="conn", seq=8) == PAYLOAD
        assert unseal(sealed(), connection="conn", seq=8) == PAYLOAD
    with override_settings(SECRET_KEY="a new key", SECRET_KEY_FALLBACKS=[]):
        assert refused(blob) == FORGED


def signed(body):
    return base64.b64encode(sealing._sign(settings.SECRET_KEY, "conn", 7, body) + body).decode()


def test_a_blob_that_unpacks_to_too_much_is_refused_before_it_does(monkeypatch):
    packer = zlib.compressobj(9, zlib.DEFLATED, -12, 9, zlib.Z_DEFAULT_STRATEGY, sealing.WORDS)
    bomb = packer.compress(b" " * (64 << 20)) + packer.flush()
    assert refused(signed(b"1" + bomb)) == ("state", "the state unpacks to more than 4194304 bytes")
    assert refused(signed(b"1" + b"\xff\xff")) == FORGED
    assert refused(signed(b"x{}")) == FORGED


def test_a_state_of_two_lines_of_an_older_release_is_read():
    """The handshake was on its second line."""
    body = sealing._pack(b'{"c":"a:B","s":{},"a":{"x":1}}\n{"path":"/"}')
    signed = sealing._sign(settings.SECRET_KEY, "conn", 7, body) + body
    payload = unseal(base64.b64encode(signed).decode(), connection="conn", seq=8)
    assert payload == {**PAYLOAD, sealing.HANDSHAKE: '{"path":"/"}'}


def test_a_large_state_names_its_largest_attribute():
    noise = base64.b64encode(os.urandom(60000)).decode()
    payload = {"c": "app.consumers:Big", "s": {"tenant": "t" * 10}, "a": {"blob": noise, "name": "x"}}
    with pytest.raises(Refused) as error:
        sealed(payload, limit=65536)
    assert error.value.kind == "state_size"
    size = int(error.value.text.split(" has ")[1].split()[0])
    assert size > 65536
    assert error.value.text == (
        f"app.consumers.Big: its state has {size} bytes, more than 65536; self.blob alone {len(noise) + 2}"
    )
    assert len(sealed(payload, limit=1 << 20)) == size


def test_every_text_survives_the_way():
    for text in ("\ud800", "\ud83d\ude00", "ä\u2028\x00", "x" * 5000):
        assert unseal(sealed({"a": {"t": text}}), connection="conn", seq=8) == {"a": {"t": text}}
    assert unseal(sealed(connection="\ud800ä"), connection="\ud800ä", seq=8) == PAYLOAD


def test_a_state_of_noise_is_not_packed():
    noise = base64.b85encode(os.urandom(3000)).decode()
    assert unseal(sealed({"a": {"t": noise}}), connection="conn", seq=8)["a"]["t"] == noise


def test_secrets_of_the_settings_do_not_leave():
    accounts = {"default": {"PASSWORD": 'a "long" password'}}
    with override_settings(PAY_API_KEY="sk-0123456789abcdef", PAY_ACCOUNTS=accounts):
        consumer, baseline = made(
            key=settings.PAY_API_KEY, more={"pw": ['a "long" password']}, secret=settings.SECRET_KEY, name="x"
        )
        blob = seal(captured(consumer, baseline), connection="conn", seq=7, limit=65536)
        payload = unseal(blob, connection="conn", seq=8)
        for secret in (settings.PAY_API_KEY, "long", settings.SECRET_KEY):
            assert secret not in str(payload)
        again = type(consumer)()
        restore(again, payload, scope={})
        assert (again.key, again.more, again.secret) == (consumer.key, consumer.more, consumer.secret)
        consumer.url = f"https://x/?key={settings.PAY_API_KEY}"
        with pytest.raises(Refused) as error:
            seal(captured(consumer, baseline), connection="conn", seq=7, limit=65536)
        assert error.value.text == (
            "library.consumers.Keeper: self.url contains settings.PAY_API_KEY, which does not leave the process"
        )


def test_a_state_that_stays_as_it_was_is_not_packed_again(monkeypatch):
    packed = []
    pack = sealing._pack
    monkeypatch.setattr(sealing, "_pack", lambda raw: packed.append(raw) or pack(raw))
    payload = {"c": "a:B", "s": {}, "a": {"x": "a long text " * 30}}
    first = sealed(payload)
    again = seal(unseal(first, connection="conn", seq=8), connection="conn", seq=8, limit=65536)
    assert len(packed) == 1 and again != first
    assert unseal(again, connection="conn", seq=9) == payload
    payload["a"]["x"] += "!"
    assert unseal(sealed(payload), connection="conn", seq=8) == payload
    assert len(packed) == 2
