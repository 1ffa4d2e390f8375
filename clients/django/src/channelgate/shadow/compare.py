"""Compares two recordings: handshakes, frames, closes. Pure: recordings in, findings out."""

import dataclasses
import json
from collections.abc import Container, Sequence
from typing import Any

from channelgate.shadow import ignore, values
from channelgate.shadow.matching import Kept, Pair, fresh, live, order, pair_up
from channelgate.shadow.recorded import Act, Close, Recorded

#: Seconds by which times in frames, and the arrival of a frame, may differ.
TOLERANCE = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One difference."""

    #: handshake | close | differs | only left | only right | late | order | not sent
    kind: str
    #: The act in which it was found.
    act: str
    at: float
    text: str
    path: str = ""
    left: Any = None
    right: Any = None


@dataclasses.dataclass(slots=True)
class Comparison:
    """What was found."""

    findings: list[Finding] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    #: Frames that both sides had.
    same: int = 0
    #: Seconds by which each side was behind the other, for each frame that both heard at once.
    behind: tuple[list[float], list[float]] = dataclasses.field(default_factory=lambda: ([], []))
    #: Seconds from a message to the first frame on its side.
    answers: tuple[list[float], list[float]] = dataclasses.field(default_factory=lambda: ([], []))

    @property
    def is_equal(self) -> bool:
        """Whether no difference was found."""
        return not self.findings


def compare(recorded: Recorded, ignored: Sequence[ignore.Path] = (), tolerance: float = TOLERANCE) -> Comparison:
    """Both sides of a run."""
    return _Work(recorded, ignored, tolerance).result()


class _Work:
    def __init__(self, recorded: Recorded, ignored: Sequence[ignore.Path], tolerance: float) -> None:
        self.recorded, self.tolerance = recorded, tolerance
        self.found = Comparison()
        self.left, self.right = (
            [Kept.of(frame, values.decode(frame.data, ignored)) for frame in side.frames]
            for side in (recorded.left, recorded.right)
        )
        self.seen = values.Seen(recorded.ids)
        #: Events of the left that the right may get a moment later, when it already counts as listening.
        self._unclaimed: list[Kept] = []
        #: Events of the left that the right got a moment earlier, when it still counted as being opened.
        self._claimed: set[Kept] = set()

    def result(self) -> Comparison:
        self._handshakes()
        for act in self.recorded.acts:
            if act.what == "listening":
                self._listening(act, act.left)
            elif act.what == "opening":
                self._opening(act)
            else:
                self._each_in_turn(act)
            for frame in (*self._of("left", act.left, act.right), *self._of("right", act.left, act.right)):
                self.seen.learn(frame.value)
        self._closes()
        self.found.findings.sort(key=lambda finding: finding.at)
        return self.found

    def _of(self, side: str, *turns: int | None) -> list[Kept]:
        return [frame for frame in (self.left if side == "left" else self.right) if frame.turn in turns]

    def _handshakes(self) -> None:
        pairs = zip(self.recorded.left.connections, self.recorded.right.connections, strict=False)
        for number, (left, right) in enumerate(pairs):
            act = "opening" if number == 0 else f"reconnect, number {number}"
            one, two = left.handshake, right.handshake
            for what, first, second in (
                ("status", one.status, two.status),
                ("subprotocol", one.subprotocol, two.subprotocol),
                ("what a browser would refuse", one.problem or None, two.problem or None),
            ):
                if first != second:
                    text = f"{what}: left {first or 'none'}, right {second or 'none'}"
                    self.found.findings.append(Finding("handshake", act, 0.0, text, "", first, second))
                    # The rest follows from it.
                    break

    def _closes(self) -> None:
        sides = self.recorded.left.connections, self.recorded.right.connections
        for left, right in zip(*sides, strict=False):
            if left.handshake.status != right.handshake.status:
                continue
            first, second = left.closed, right.closed
            codes = first and first.code, second and second.code
            if codes[0] != codes[1]:
                at = min(close.at for close in (first, second) if close is not None)
                text = f"left {_closed(first)}, right {_closed(second)}"
                self.found.findings.append(Finding("close", self._act_of(first or second), at, text, "", *codes))
            elif first and second and first.reason != second.reason:
                self.found.notes.append(
                    f"The reasons of close code {first.code} differ: left {first.reason!r}, right {second.reason!r}. "
                    "Daphne sends none."
                )

    def _act_of(self, close: Close | None) -> str:
        turn = close.turn if close else None
        return next((act.name for act in self.recorded.acts if turn in (act.left, act.right)), "the end")

    def _listening(self, act: Act, turn: int | None) -> None:
        """Both have heard the same events."""
        turns = (turn,) if act.grace is None else (turn, act.grace)
        ours = [*self._unclaimed, *(frame for frame in self._of("left", *turns) if frame not in self._claimed)]
        self._unclaimed = []
        pairs, left, right = live(ours, self._of("right", *turns), self.tolerance)
        # What both got after the end is no part of it.
        pairs = [pair for pair in pairs if act.grace is None or (pair.left.turn, pair.right.turn) != (act.grace,) * 2]
        self._pairs(act, pairs, None)
        for pair in pairs:
            first = min(pair.left.at, pair.right.at)
            for side, frame in zip(self.found.behind, (pair.left, pair.right), strict=True):
                side.append(frame.at - first)
        self._order(act, pairs)
        # What the left got while the right was opened is not missing, and nothing is that came after the end.
        lost, extra = ([frame for frame in some if frame.turn == turn] for some in (left, right))
        self._rest(act, lost, extra, None)

    def _opening(self, act: Act) -> None:
        """Each side's first frames, among events that also come.

        While the right is opened both hear of events, and of the right's arrival. What only the right gets is its own,
        and the left must have had it in its turn. What else the left got then has no witness.
        """
        first, second = self._of("left", act.left), self._of("right", act.right)
        shared, own, self._unclaimed = live(second, self._of("left", act.right), self.tolerance)
        # An event at the moment of the right's arrival belongs to the left's turn.
        early, first, own = live(first, own, self.tolerance) if shared else ([], first, own)
        pairs, left, right = fresh(first, own)
        also, left, _ = fresh(left, [pair.left for pair in shared])
        equal = [pair for pair in also if not self._differences(pair, self.seen, 0.0)]
        self._pairs(act, [*early, *pairs], self.seen)
        self._pairs(act, [Pair(pair.right, pair.left) for pair in shared], None)
        # In traffic an event is not the one that the other side got in its own turn.
        is_calm = len(equal) == len(shared) and not left
        in_order = sorted([*pairs, *equal], key=lambda pair: pair.left.at) if is_calm else pairs
        self._order(act, in_order, {pair.left for pair in pairs})
        events = {pair.left.kind for pair in shared}
        events |= {frame.kind for frame in self._of("right", *self._turns_of("listening"))}
        left += [pair.left for pair in also if pair not in equal]
        late, right, _ = live(right, self._of("left", *self._turns_of("listening")[:1]), self.tolerance)
        self._claimed = {pair.right for pair in late}
        self._pairs(act, [Pair(pair.right, pair.left) for pair in late], None)
        traffic = [frame for frame in left if frame.kind in events]
        if traffic:
            self.found.notes.append(
                f"Not compared: {len(traffic)} of the frames that came while only the left was open. "
                "A reconnect in a script compares such frames."
            )
        self._rest(act, [frame for frame in left if frame not in traffic], right, self.seen)

    def _turns_of(self, what: str) -> list[int | None]:
        return [act.left for act in self.recorded.acts if act.what == what]

    def _each_in_turn(self, act: Act) -> None:
        """A message or a departure of each side: what its side gets, and what the other one gets of it."""
        if isinstance(act.data, str) and act.data:
            self.seen.learn(values.decode(act.data, ()))
        if act.left is None or act.right is None:
            self._unrepeated(act)
            return
        for number, turn in enumerate((act.left, act.right)):
            frames = self._of("left" if number == 0 else "right", turn)
            if act.what == "message" and frames:
                self.found.answers[number].append(frames[0].at - self.recorded.starts[turn])
        # The right was left in its turn: whatever differs in time differs by that, too.
        shift = self.recorded.starts[act.right] - self.recorded.starts[act.left]
        for what, first, second in (
            (act, self._of("left", act.left), self._of("right", act.right)),
            (self._witness(act), self._of("right", act.left), self._of("left", act.right)),
        ):
            mirrored = what is not act
            if mirrored and not act.both:
                continue
            pairs, left, right = fresh(first, second)
            # What the other side did not get too is the server's answer, whose order is one.
            shared = live(first, self._of("right", act.left), self.tolerance)[0] if not mirrored else []
            own = set(first) - {pair.left for pair in shared}
            if mirrored:
                pairs, left, right = [Pair(pair.right, pair.left) for pair in pairs], right, left
            self._pairs(what, pairs, self.seen, abs(shift))
            self._order(what, pairs, set() if mirrored else own)
            self._rest(what, left, right, self.seen, abs(shift))

    def _witness(self, act: Act) -> Act:
        return dataclasses.replace(act, what=f"the other side's {act.what}")

    def _unrepeated(self, act: Act) -> None:
        """One side was closed before its turn."""
        turn = act.left if act.left is not None else act.right
        if turn is None:
            self.found.notes.append(f"{act.name} was not sent: both sides had closed the connection.")
            return
        self._listening(act, turn)
        side = "left" if act.left is None else "right"
        self.found.notes.append(f"{act.name} was not sent on the {side}: the server had closed the connection.")

    def _pairs(self, act: Act, pairs: Sequence[Pair], seen: values.Seen | None, more: float = 0.0) -> None:
        """Frames that belong together may differ inside."""
        for pair in pairs:
            if self._inside(act, pair, seen, more):
                self.found.same += 1

    def _inside(self, act: Act, pair: Pair, seen: values.Seen | None, more: float) -> bool:
        found = self._differences(pair, seen, more)
        for one in found:
            text = f"{one.path}: left {show(one.left)}, right {show(one.right)}"
            at = min(pair.left.at, pair.right.at)
            self.found.findings.append(Finding("differs", act.name, at, text, one.path, one.left, one.right))
        return not found

    def _differences(self, pair: Pair, seen: values.Seen | None, more: float) -> list[values.Difference]:
        made = seen.made if seen is not None else None
        return values.differences(pair.left.value, pair.right.value, self.tolerance + more, made)

    def _order(self, act: Act, pairs: Sequence[Pair], own: Container[Kept] = ()) -> None:
        wrong, swapped = order(pairs, self.tolerance, own)
        for one, two in wrong:
            text = f"left has {show(one.left.value)} before {show(two.left.value)}, right after it"
            self.found.findings.append(Finding("order", act.name, one.left.at, text))
        if swapped:
            self.found.notes.append(
                f"{swapped} frames of different kinds came in another order, within {self.tolerance:g} s: "
                "Channels promises an order within a group only."
            )

    def _rest(self, act: Act, left: list[Kept], right: list[Kept], seen: values.Seen | None, more: float = 0.0) -> None:
        """What only one side got; the same kind on both sides is one frame that differs."""
        limit = None if seen is not None else self.tolerance
        late, similar, left, right = pair_up(left, right, limit)
        for pair in late:
            behind = pair.right.at - pair.left.at
            text = f"{show(pair.left.value)}: {abs(behind):.1f} s later on the {'right' if behind > 0 else 'left'}"
            self.found.findings.append(Finding("late", act.name, min(pair.left.at, pair.right.at), text))
        self._pairs(act, similar, seen, more)
        for side, frames in (("left", left), ("right", right)):
            for frame in frames:
                self.found.findings.append(
                    Finding(f"only {side}", act.name, frame.at, show(frame.value), **{side: frame.value})
                )


def _closed(close: Close | None) -> str:
    return "stays open" if close is None else f"closed with {close.code}"


def show(value: Any, longest: int = 160) -> str:
    """A value on one line."""
    if isinstance(value, values.Text):
        text = json.dumps(value.text, ensure_ascii=False)
    elif isinstance(value, values.Missing):
        text = "nothing"
    elif isinstance(value, bytes):
        text = f"{len(value)} bytes {value[:16].hex()}"
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
