"""Outputs between the recording and the replay."""

from cacheness.magic.capture import Output, compact


def texts(outputs: list[Output]) -> list[object]:
    return [output.data for output in compact(outputs)]


def test_what_a_clear_removed_is_gone() -> None:
    outputs = [Output("stdout", "a"), Output("clear"), Output("stdout", "b")]
    assert [output.kind for output in compact(outputs)] == ["clear", "stdout"]


def test_updates_are_folded_into_their_display() -> None:
    first = Output("display", {"text/plain": "1"}, {}, {"display_id": "x"})
    other = Output("display", {"text/plain": "other"}, {})
    update = Output("display", {"text/plain": "2"}, {}, {"display_id": "x"}, update=True)
    assert texts([first, other, update]) == [{"text/plain": "2"}, {"text/plain": "other"}]


def test_an_update_of_another_cells_display_stays() -> None:
    update = Output("display", {"text/plain": "2"}, {}, {"display_id": "x"}, update=True)
    assert compact([update])[0].update


def test_progress_bars_keep_their_last_state() -> None:
    assert texts([Output("stderr", "\r10%\r50%\r100%\n")]) == ["\r100%\n"]
    assert texts([Output("stdout", "a\r\nb\n")]) == ["a\nb\n"]
    assert texts([Output("stdout", "plain\n")]) == ["plain\n"]
