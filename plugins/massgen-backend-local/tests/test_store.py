"""Which file a name means, and what is said when it is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_backend_local import store
from massgen_backend_local.store import find, models_folder
from massgen_backend_local.weights import ALIASES, WEIGHTS
from massgen_core.api import ModelMissing


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models that are whole, without their bytes."""
    for weights in WEIGHTS[1:]:
        with (tmp_path / f"{weights.name}.gguf").open("wb") as file:
            os.truncate(file.fileno(), weights.size)
    return tmp_path


def test_parts_add_up() -> None:
    """The sizes of the parts of every model make up its whole, and names lead to models."""
    for weights in WEIGHTS:
        assert sum(map(weights.size_of, range(weights.parts))) == weights.size
        assert all(weights.size_of(part) > 0 for part in range(weights.parts))
        assert len({weights.requirement_of(part) for part in range(weights.parts)}) == weights.parts
    assert set(ALIASES.values()) <= {weights.name for weights in WEIGHTS}


def test_no_name_means_the_best_that_is_here(put: Path) -> None:
    """Whoever fetched a smaller model uses it without saying so."""
    assert find("", put).name == "qwen2.5-coder-0.5b.gguf"
    assert find("small", put).name == "qwen2.5-coder-0.5b.gguf"
    assert find("smollm2-135m", put).name == "smollm2-135m.gguf"


def test_nothing_is_here(tmp_path: Path) -> None:
    """The first message that most users see says what to type."""
    with pytest.raises(
        ModelMissing, match=r"'qwen2.5-coder-1.5b' is not on this machine .*once \(1.1 GB\) with: massgen models pull; a smaller one: massgen"
    ):
        find("", tmp_path)
    with pytest.raises(ModelMissing, match=r"with: massgen models pull qwen2.5-coder-0.5b$"):
        find("small", tmp_path)


def test_a_file_that_is_not_whole(put: Path) -> None:
    """A truncated file is told apart from a missing one."""
    os.truncate(put / "smollm2-135m.gguf", 1000)

    with pytest.raises(
        ModelMissing, match=r"has 1,000 bytes instead of 98,362,432: it is not whole; fetch it again with: massgen models pull smollm2-135m"
    ):
        find("smollm2-135m", put)


def test_an_unknown_name(tmp_path: Path) -> None:
    """The message names what there is; a file that somebody put there counts."""
    with pytest.raises(ModelMissing, match=r"no model 'gpt'; choose one of qwen2.5-coder-1.5b, .* or give the path of a .gguf file"):
        find("gpt", tmp_path)
    (tmp_path / "mine.gguf").write_bytes(b"GGUF")

    assert find("mine", tmp_path) == tmp_path / "mine.gguf"


def test_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is a path, relative or not; what is wrong with it is told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "b.gguf").mkdir()

    assert find("a.gguf", tmp_path / "nowhere") == tmp_path / "a.gguf"
    assert find(str(tmp_path / "a.gguf"), tmp_path / "nowhere") == tmp_path / "a.gguf"
    with pytest.raises(ModelMissing, match="does not exist"):
        find("./c.gguf", tmp_path)
    with pytest.raises(ModelMissing, match="is a folder"):
        find("b.gguf", tmp_path)


def test_where_models_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, MASSGEN_MODELS, the user's cache, in this order; a relative cache folder is none, as the standard says."""
    monkeypatch.delenv("MASSGEN_MODELS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert models_folder() == tmp_path / ".cache/massgen/models"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert models_folder() == tmp_path / "cache/massgen/models"
    monkeypatch.setenv("MASSGEN_MODELS", str(tmp_path / "own"))
    assert models_folder() == tmp_path / "own"
    assert store.models_folder("~/mine") == tmp_path / "mine"


def test_a_name_leads_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's project may name any model: only what looks like a path, for which it must be trusted, opens a file of another folder."""
    monkeypatch.chdir(tmp_path)
    (models := tmp_path / "models").mkdir()
    (tmp_path / "sub").mkdir()
    for name in ("sub/evil", "sub/evil.bin", "evil.gguf"):
        (tmp_path / name).touch()

    for model in ("sub/evil", "sub/evil.bin", "sub/../evil", "x/../../evil"):
        with pytest.raises(ModelMissing, match="there is no model"):
            find(model, models)
    assert find("./sub/evil", models) == tmp_path / "sub" / "evil"
