"""What memory is free, as the machine and its control groups say."""

from __future__ import annotations

from pathlib import Path

from massgen_backend_local.memory import available_bytes

GIB = 1 << 30


def make(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="ascii")
    return root


MACHINE = {"proc/meminfo": f"MemTotal: {16 << 20} kB\nMemFree: 1 kB\nMemAvailable: {8 << 20} kB\n"}


def test_the_machine_says(tmp_path: Path) -> None:
    """Without control groups the machine's figure counts."""
    assert available_bytes(make(tmp_path, MACHINE)) == 8 * GIB


def test_a_control_group_says_less(tmp_path: Path) -> None:
    """The tightest group around the process counts; cached files make room."""
    root = make(
        tmp_path,
        MACHINE
        | {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/outer/memory.current": f"{GIB}\n",
            "sys/fs/cgroup/outer/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
            "sys/fs/cgroup/outer/inner/memory.max": "max\n",
            "sys/fs/cgroup/outer/inner/memory.current": "7\n",
        },
    )

    assert available_bytes(root) == GIB + GIB // 2


def test_an_old_control_group(tmp_path: Path) -> None:
    """Version 1 has other names."""
    root = make(
        tmp_path,
        MACHINE
        | {
            "proc/self/cgroup": "4:cpu,memory:/box\n1:name=systemd:/x\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": f"{3 * GIB}",
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": f"{GIB}",
        },
    )

    assert available_bytes(root) == 2 * GIB


def test_nobody_says(tmp_path: Path) -> None:
    """A system without these files is not refused."""
    assert available_bytes(tmp_path) is None
    assert available_bytes(make(tmp_path, {"proc/meminfo": "nonsense\n", "proc/self/cgroup": "what\n"})) is None
