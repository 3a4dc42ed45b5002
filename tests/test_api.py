"""The one module that plugin authors import."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from massgen_core import api


def test_the_public_api_is_the_public_part_of_its_modules() -> None:
    """What type checkers see, by its imports of everything, is what it gives when the program runs, by its list."""
    tree = ast.parse(Path(api.__file__).read_text(encoding="utf-8"))
    stars = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"}
    listed = {f"massgen_core.{module}": names.split() for module, names in vars(api)["_PUBLIC"].items()}

    assert stars == set(listed)
    assert {module: sorted(names) for module, names in listed.items()} == {module: sorted(import_module(module).__all__) for module in listed}
    assert all(getattr(api, name) is getattr(import_module(module), name) for module, names in listed.items() for name in names)


def test_a_name_that_it_does_not_have_is_an_error_that_names_it() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match=r"module 'massgen_core\.api' has no attribute 'Bakend'"):
        _ = api.Bakend  # type: ignore[attr-defined]
