"""Each row of the contract's table, as a consumer and the configuration that init writes for it."""

import os
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"
NAMES = sorted(file.stem for file in CASES.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_init_writes_what_is_beside_the_case(translated, name):
    file = CASES / f"{name}.toml"
    text = translated(name).text
    if os.environ.get("WRITE_CASES"):
        file.write_text(text)
    assert text == file.read_text()
