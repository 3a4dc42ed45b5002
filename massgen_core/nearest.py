"""What a person probably meant by a name that there is not."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the one of `names` that was probably meant, or an empty text; neither case nor the kind of dash makes a difference."""
    import difflib  # noqa: PLC0415 - for mistakes only

    folded = {other.casefold().replace("-", "_"): other for other in names}
    found = difflib.get_close_matches(name[:100].casefold().replace("-", "_"), folded, n=1)
    return folded[found[0]] if found else ""
