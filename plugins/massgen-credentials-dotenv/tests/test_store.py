"""Layers, guards, and files that people wrote by hand."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_core.api import Secret, StoreProblem
from massgen_credentials_dotenv.files import encoded, held, without
from massgen_credentials_dotenv.store import DotenvStore, user_file


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")


@pytest.fixture
def store() -> DotenvStore:
    return DotenvStore(None)


def own(text: str, mode: int = 0o600) -> Path:
    file = user_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_a_project_fills_in_and_never_replaces(store: DotenvStore) -> None:
    """The user's own value wins; the project's file answers for what the user has not; an empty value is none."""
    own("SHARED=mine\nEMPTY=\n")
    Path(".env").write_text("SHARED=theirs\nEMPTY=filled\nONLY_THEIRS=x\n")

    assert [store.get(name) for name in ("SHARED", "EMPTY", "ONLY_THEIRS", "NONE")] == [Secret("mine"), Secret("filled"), Secret("x"), None]
    assert store.names() == {
        "SHARED": str(user_file()),
        "EMPTY": str(Path.cwd() / ".env"),
        "ONLY_THEIRS": str(Path.cwd() / ".env"),
    }


def test_nothing_reaches_the_environment_and_nothing_is_expanded(store: DotenvStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project's file cannot set variables of this program, and cannot draw its secrets into a value."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    before = dict(os.environ)
    Path(".env").write_text("LD_PRELOAD=/tmp/x.so\nMASSGEN_PLUGINS=evil\nA=${OPENAI_API_KEY}\nB=$OPENAI_API_KEY\n")

    assert store.get("A") == Secret("${OPENAI_API_KEY}")
    assert store.get("B") == Secret("$OPENAI_API_KEY")
    assert dict(os.environ) == before


def test_only_the_working_folder_is_a_project(store: DotenvStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A .env of a folder above is nobody's project."""
    Path(".env").write_text("A=1\n")
    Path("below").mkdir()
    monkeypatch.chdir("below")

    assert store.get("A") is None


def test_forms_that_people_write(store: DotenvStore) -> None:
    """Comments, export, quotes, spaces, a mark at the beginning, lines of Windows, and lines that are none."""
    own("\ufeffA=1\r\n# no\r\nexport B = 'two words' # comment\r\nC=\"x\\ny\"\r\nthis is no line\r\nD=a#b\r\nE=plain # comment\r\n")

    found = [secret.reveal() if (secret := store.get(name)) else None for name in "ABCDE"]
    assert found == ["1", "two words", "x\ny", "a#b", "plain"]


@pytest.mark.skipif(os.name != "posix", reason="not in CI: modes are of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_the_users_file_is_its_owners_alone(store: DotenvStore, mode: int) -> None:
    """A file that others can read or change is not used, and the message says how to mend it."""
    file = own("A=s3cret-value\n", mode)
    for action in (lambda: store.get("A"), store.names, lambda: store.set("B", Secret("b")), lambda: store.delete("A")):
        with pytest.raises(StoreProblem, match=f"chmod 600 {file}") as caught:
            action()
        assert "s3cret-value" not in str(caught.value)

    assert file.read_text() == "A=s3cret-value\n"


def test_a_written_file_is_its_owners_alone(store: DotenvStore) -> None:
    """What is made has mode 0600 in a folder of mode 0700, whatever the umask."""
    old = os.umask(0)
    try:
        where = store.set("A", Secret("1"))
    finally:
        os.umask(old)

    assert where == str(user_file())
    assert stat.S_IMODE(user_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(user_file().parent.stat().st_mode) == 0o700


def test_what_stands_beside_stays(store: DotenvStore) -> None:
    """Comments, order and other lines survive a change."""
    own("# mine\nA=1\n\nexport B=2\nno line\nC=3")
    store.set("B", Secret("two"))
    store.delete("A")

    assert user_file().read_text() == "# mine\n\nno line\nC=3\nB='two'\n"


def test_a_link_stays_a_link(store: DotenvStore, tmp_path: Path) -> None:
    """Whoever keeps the file elsewhere keeps it there."""
    file = own("A=1\n")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    store.set("B", Secret("2"))

    assert file.is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "A=1\nB='2'\n"


def test_the_projects_file_is_not_written(store: DotenvStore) -> None:
    """Setting writes the user's file; what only the project holds cannot be deleted, and the message names the file."""
    Path(".env").write_text("A=theirs\n")
    store.set("A", Secret("mine"))

    assert store.get("A") == Secret("mine")
    assert store.delete("A") is True
    with pytest.raises(StoreProblem, match=r"project's file alone.*\.env"):
        store.delete("A")
    assert Path(".env").read_text() == "A=theirs\n"


def test_what_is_no_file_of_text_is_refused(store: DotenvStore) -> None:
    """A pipe does not hang, a flood is not read, and bytes are no text."""
    file = Path(".env")
    for make, said in (
        (lambda: os.mkfifo(file), "no ordinary file"),
        (file.mkdir, "no ordinary file|cannot be read"),
        (lambda: file.write_bytes(b"A=" + b"x" * (1 << 20)), "more than"),
        (lambda: file.write_bytes(b"A=\xff\xfe"), "no UTF-8"),
    ):
        make()
        with pytest.raises(StoreProblem, match=said):
            store.get("A")
        file.rmdir() if file.is_dir() else file.unlink()


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), before=st.text(st.characters(codec="utf-8"), max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_back_whole(value: str, before: str) -> None:
    """Whatever a value holds, and whatever stood in the file, it is read as it was written; without it the file is as before."""
    text = without(before, "K_E.Y")
    written = text + encoded("K_E.Y", value)

    # An open quote before it would swallow it; what is written by hand and broken is not mended.
    if held(text + "K_E.Y='x'\n").get("K_E.Y") == "x":
        assert held(written)["K_E.Y"] == value
        assert without(written, "K_E.Y") == text
