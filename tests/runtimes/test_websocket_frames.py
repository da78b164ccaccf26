"""The frames of a WebSocket connection are followed, however they are cut into pieces."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close as CloseFrame
from websockets.frames import CloseCode, Frame, Opcode

from pytest_scf.runtimes.websocket import NO_CODE, Frames

FRAMES = st.builds(
    Frame,
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG]),
    st.integers(0, 70_000).map(bytes) | st.binary(max_size=126),
)


def serialized(frame: Frame, mask: bool) -> bytes:
    data: bytes = frame.serialize(mask=mask)
    return data


def fed(data: bytes, cuts: list[int]) -> Frames:
    frames = Frames()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in itertools.pairwise(places):
        frames.feed(data[begin:end])
    return frames


@given(st.lists(FRAMES, max_size=4), st.booleans(), st.lists(st.integers(0, 1 << 20), max_size=8))
def test_the_close_frame_is_found_behind_others(before: list[Frame], mask: bool, cuts: list[int]) -> None:
    data = b"".join(serialized(frame, mask and frame.opcode < 8) for frame in before if frame.opcode < 8)
    assert fed(data, cuts).close_code is None
    close = Frame(Opcode.CLOSE, CloseFrame(CloseCode.GOING_AWAY, "bye").serialize())
    found = fed(data + serialized(close, mask), cuts)
    assert (found.close_code, found.too_long) == (1001, 0)


@pytest.mark.parametrize("mask", [True, False])
def test_a_close_frame_may_have_no_code_and_the_first_counts(mask: bool) -> None:
    empty = serialized(Frame(Opcode.CLOSE, b""), mask)
    second = serialized(Frame(Opcode.CLOSE, CloseFrame(CloseCode.NORMAL_CLOSURE, "").serialize()), mask)
    assert fed(empty, []).close_code == NO_CODE
    assert fed(empty + second, [1, 2, 3]).close_code == NO_CODE


@pytest.mark.parametrize(("length", "too_long"), [(1 << 20, 0), ((1 << 20) + 1, (1 << 20) + 1)])
def test_a_frame_may_have_1_mb(length: int, too_long: int) -> None:
    assert fed(serialized(Frame(Opcode.BINARY, bytes(length)), True), [5, 100]).too_long == too_long
