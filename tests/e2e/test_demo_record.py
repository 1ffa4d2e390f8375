"""The record of what `make demo` has sent: unique numbers, bounded files, and no line is lost on its way to pages."""

import asyncio
import json
import os
import subprocess
import sys
import threading

import pytest
import stack
from control.stream import Stream
from rig.client import until

#: Writes events 1000 times, with files that are full soon.
WRITER = """
import sys
from pathlib import Path
from activity import sent
sent.FULL = 20_000
log = sent.SentLog(Path(sys.argv[1]))
for _ in range(1000):
    log.write(n=log.take(), at=0, group="g", system="feed", message={"type": "t", "text": "x" * 40})
"""


@pytest.fixture
def stream(tmp_path):
    stream = Stream(tmp_path / "sent.jsonl", threading.Event())
    yield stream
    stream.stopping.set()
    stream.wake()


def numbers(stream) -> list[int]:
    """Of the events that are kept."""
    return [json.loads(entry.data)["n"] for entry in stream.after(0, 0) if entry.kind == "sent"]


def write_at_once(directory) -> list[int]:
    """Three processes; returns their exit codes."""
    env = {**os.environ, "PYTHONPATH": str(stack.ROOT / "tests" / "django")}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, directory], env=env) for _ in range(3)]
    return [writer.wait(60) for writer in writers]


async def test_processes_that_write_at_once_share_numbers_and_two_files(tmp_path, stream):
    stream.start()
    assert await asyncio.to_thread(write_at_once, tmp_path) == [0, 0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sent.1.jsonl", "sent.jsonl", "sent.number"]
    files = [tmp_path / name for name in ("sent.1.jsonl", "sent.jsonl")]
    assert all(file.stat().st_size < 21_000 for file in files)
    kept = [json.loads(line)["n"] for file in files for line in file.read_text().splitlines()]
    assert len(kept) == len(set(kept)) and max(kept) == 3000
    # The reader may be too slow for files that change every few milliseconds, but not for their order.
    await until(lambda: numbers(stream)[-1:] == kept[-1:], "the last line")


async def test_a_full_file_is_read_to_its_end_and_then_the_next(tmp_path, stream):
    def write(file, *numbers):
        with file.open("a") as lines:
            lines.writelines(json.dumps({"n": number}) + "\n" for number in numbers)

    file = tmp_path / "sent.jsonl"
    write(file, 1, 2)
    stream.start()
    await until(lambda: stream.now() == 2, "the first lines")
    stream.fact("Something was done.")
    write(file, 3)
    file.rename(tmp_path / "sent.1.jsonl")
    write(file, 4)
    with file.open("a") as lines:
        lines.write('not JSON\n{"n": 5')
        lines.flush()
        await until(lambda: stream.now() == 5, "the lines of both files")
        lines.write("}\n")
    await until(lambda: stream.now() == 6, "the line that came in two parts")
    assert [entry.kind for entry in stream.after(0, 0)] == ["sent", "sent", "fact", "sent", "sent", "sent"]
    assert numbers(stream) == [1, 2, 3, 4, 5]


def test_a_reader_goes_on_after_the_entry_that_it_had_whatever_that_was(stream):
    for text in ("one", "two", "three"):
        stream.fact(text)
    assert [entry.place for entry in stream.after(stream.place_of(stream.id(2)), 0)] == [3]
    # Of another run, from the future, or not an id: from now on.
    for other in ("7-1", stream.id(9), f"{stream.run}-x", "2", "", "-"):
        assert stream.after(stream.place_of(other), 0) == [], other
