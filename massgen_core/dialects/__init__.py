"""Which JSON Schema a provider takes, and schemas reduced to it.

`Dialect` says what a provider takes, `fit` reduces one schema to it with a note for each change, `ToolFitter` does so for a backend's requests.
"""

from massgen_core.dialects.dialect import Dialect
from massgen_core.dialects.fitting import ToolFitter, fit, without_nulls
from massgen_core.dialects.schemas import is_sound, schema_at

__all__ = ["Dialect", "ToolFitter", "fit", "is_sound", "schema_at", "without_nulls"]
