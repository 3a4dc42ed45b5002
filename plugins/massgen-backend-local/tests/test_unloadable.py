"""A runtime that cannot be imported is told apart from a file that it refuses."""

from __future__ import annotations

import pytest

from massgen_backend_local.engine import _unloadable


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("ImportError: libgomp.so.1: cannot open shared object file: No such file or directory", "apt-get install libgomp1"),
        ("ModuleNotFoundError: No module named 'xllamacpp'", "pip install --force-reinstall xllamacpp"),
        ("OSError: /lib/libm.so.6: version `GLIBC_2.38' not found", "pip install --force-reinstall xllamacpp"),
    ],
)
def test_the_remedy_is_named(said: str, remedy: str) -> None:
    """The message says what the runtime lacks and how to get it."""
    fault = _unloadable(said)

    assert fault is not None
    assert said in str(fault)
    assert str(fault).endswith(remedy)


def test_a_refused_file_is_something_else() -> None:
    """What the runtime says of a file does not blame the installation."""
    assert _unloadable("RuntimeError: failed to load model") is None
