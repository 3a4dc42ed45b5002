from __future__ import annotations

import re
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_tools_code.output import Captured, bytes_text, readable, whole_characters


def captured(folder: Path, shown: int = 1000, stored: int = 10_000) -> Captured:
    return Captured(folder / "a" / "out", "code/a/out", shown=shown, stored=stored, redact=lambda text: text.replace("sesame", "***"))


def test_a_short_output_is_shown_and_makes_no_file(tmp_path: Path) -> None:
    """What a model sees is what was written."""
    kept = captured(tmp_path)
    kept.add("tschüß\n".encode())
    kept.close()

    assert (kept.text(), kept.stored, list(tmp_path.iterdir())) == ("tschüß\n", (), [])


def test_a_long_output_shows_both_ends_and_keeps_all(tmp_path: Path) -> None:
    """A line between them says how much is missing, and where it is."""
    kept = captured(tmp_path)
    data = "".join(f"line {number}\n" for number in range(1000))
    for start in range(0, len(data), 77):
        kept.add(data[start : start + 77].encode())
    kept.close()

    lines = kept.text().splitlines()
    assert lines[0] == "line 0"
    assert lines[-1] == "line 999"
    assert f"of {bytes_text(len(data))} left out here; the run keeps all of it in code/a/out]" in kept.text()
    assert len(kept.text()) < 1200
    assert (tmp_path / "a" / "out").read_text() == data


def test_there_is_a_cap_and_it_is_told(tmp_path: Path) -> None:
    """A flood does not fill the disk."""
    kept = captured(tmp_path)
    for _ in range(100):
        kept.add(b"x" * 999 + b"\n")
    kept.close()

    assert (tmp_path / "a" / "out").stat().st_size == 10_000
    assert kept.total == 100_000
    assert "the run keeps the first 10.0 kB of it in code/a/out" in kept.text()


def test_a_full_disk_ends_what_is_kept_and_nothing_else(tmp_path: Path) -> None:
    """The command goes on; a model is shown both ends, how much is kept, and why it is no more."""
    (tmp_path / "a").mkdir()
    full = captured(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a limit of files is an error like that of a full disk
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
        for number in range(3000):
            full.add(f"line {number}\n".encode())
        full.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)

    assert (tmp_path / "a" / "out").stat().st_size == 5000
    assert "the run keeps the first 5.0 kB of it in code/a/out, for no more could be written: File too large" in full.text()
    assert full.text().endswith("line 2999\n")


def test_what_cannot_be_kept_at_all_is_told(tmp_path: Path) -> None:
    """A folder that cannot be made is no reason to lose a command's result."""
    (tmp_path / "a").write_text("in the way", encoding="utf-8")
    kept = captured(tmp_path)
    kept.add(b"x\n" * 1000)
    kept.close()

    assert "the run keeps nothing of it: File exists]" in kept.text()
    assert kept.stored == ()


def test_memory_does_not_grow_with_the_output(tmp_path: Path) -> None:
    """Of a stream without line breaks, too, no more than some pages are held."""
    kept = captured(tmp_path, stored=0)
    for _ in range(1000):
        kept.add(b"x" * 65_536)
        assert kept._spool is not None
        assert len(kept._spool._begun) <= 65_536
    kept.close()

    assert len(kept._head) + len(kept._tail) <= 1000


@pytest.mark.parametrize("shift", range(16))
def test_known_secrets_are_kept_nowhere(tmp_path: Path, shift: int) -> None:
    """Neither in what is shown nor in the file, however the stream was cut, nor a part of one where something is left out."""
    kept = captured(tmp_path)
    for byte in b"x" * shift + b"open sesame now\n" * 200:
        kept.add(bytes((byte,)))
    kept.close()

    assert set(re.findall("[a-z*]+", re.sub("\\[.*\\]", "", kept.text()))) == {"x" * shift + "open", "open", "***", "now"}
    assert "sesame" not in (tmp_path / "a" / "out").read_text()


@pytest.mark.parametrize("secret", ["sesame", "open\nsesame\nplease"])
@pytest.mark.parametrize("size", [1000, 8192, 65_536])
def test_a_file_holds_no_part_of_a_secret(tmp_path: Path, secret: str, size: int) -> None:
    """Be it in a line without end, or in several lines."""
    kept = Captured(tmp_path / "out", "out", shown=200, stored=10**9, redact=lambda text: text.replace(secret, "***"))
    data = "".join(f"{secret}{'ü' * (number % 97)}" for number in range(10_000)).encode()
    for start in range(0, len(data), size):
        kept.add(data[start : start + size])
    kept.close()

    assert (tmp_path / "out").read_text() == data.decode().replace(secret, "***")


def test_what_commands_a_terminal_is_taken_out() -> None:
    """And bytes that are no text become a mark."""
    assert readable(b"\x1b[31mred\x1b[0m \x1b]0;title\x07\xff ok\r\nnext") == "red \ufffd ok\nnext"


@given(st.text(max_size=20), st.integers(0, 80))
def test_characters_stay_whole(text: str, at: int) -> None:
    """A cut at any byte is moved to the end of a character."""
    data = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()[:at]

    assert "\ufffd" not in data[: whole_characters(data)].decode("utf-8", "replace").replace("\ufffd", "", text.count("\ufffd") + len(text))


@given(st.binary(max_size=6))
def test_no_more_than_a_character_waits(data: bytes) -> None:
    """Whatever the bytes are, the next piece is not waited for in vain."""
    assert len(data) - whole_characters(data) <= 3
