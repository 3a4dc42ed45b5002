"""Listings that are kept between starts, and pinned definitions."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_mcp_client import cache as module
from massgen_mcp_client.cache import DiscoveryCache, Pins, Variant, cache_folder, state_folder
from massgen_mcp_client.config import ServerConfig

NOW = 1_700_000_000.0
TOOLS = [{"name": "a", "inputSchema": {"type": "object"}}]
MINE = Variant(name="srv", version="1.0", protocol="2025-11-25", capabilities=("roots",))


def server(**options: Any) -> ServerConfig:
    return ServerConfig(name="s", transport="stdio", options={"command": "npx", **options})


@pytest.fixture
def cache(tmp_path: Path) -> DiscoveryCache:
    return DiscoveryCache(tmp_path / "cache")


def test_a_listing_is_found_again(cache: DiscoveryCache, tmp_path: Path) -> None:
    """By another process too."""
    identity = cache.identity(server())
    assert cache.put(identity, MINE, {"tools": TOOLS, "prompts": []}, seconds=60, now=NOW)
    other = DiscoveryCache(tmp_path / "cache")

    found = other.get(other.identity(server()), MINE, NOW + 59)
    assert found is not None
    assert found.lists == {"tools": TOOLS, "prompts": []}
    assert (found.name, found.version, found.protocol, found.stored, found.expires) == ("srv", "1.0", "2025-11-25", NOW, NOW + 60)
    assert other.latest(identity, NOW + 59) == found


@pytest.mark.parametrize("field", ["name", "version", "protocol", "capabilities"])
def test_a_listing_is_for_one_variant(cache: DiscoveryCache, field: str) -> None:
    """Another version, protocol, or declaration has a listing of its own."""
    identity = cache.identity(server())
    cache.put(identity, MINE, {"tools": TOOLS}, seconds=60, now=NOW)
    values = {"name": "x", "version": "2.0", "protocol": "2026-07-28", "capabilities": ()}

    assert cache.get(identity, Variant(**{**{name: getattr(MINE, name) for name in values}, field: values[field]}), NOW) is None
    assert cache.get(identity, MINE, NOW)


def test_a_listing_is_for_one_way_to_reach_a_server(cache: DiscoveryCache) -> None:
    """Other arguments, another environment, another transport: another server; its name and filters do not count."""
    base = server(env={"TOKEN": "one"})
    others = [server(env={"TOKEN": "two"}), server(args=["x"], env={"TOKEN": "one"}), ServerConfig(name="s", transport="http", options=base.options)]

    assert len({cache.identity(one) for one in (base, *others)}) == 4
    assert cache.identity(base) == cache.identity(ServerConfig(name="t", transport="stdio", options=base.options, allowed_tools=("x",)))


def test_another_principal_has_another_listing(cache: DiscoveryCache) -> None:
    """Though the configuration names the credentials in the same way; neither when it is asked for, nor before."""
    named = server(env={"TOKEN": "env:ACME"})
    one, other, same, nobody = (cache.identity(named, who) for who in (("one", ""), ("other", ""), ("one", ""), ()))
    cache.put(one, MINE, {"tools": TOOLS}, seconds=60, now=NOW)

    assert len({one, other, nobody}) == 3
    assert one == same
    assert [cache.latest(identity, NOW) is not None for identity in (one, other, nobody)] == [True, False, False]
    assert [cache.get(identity, MINE, NOW) is not None for identity in (one, other, nobody)] == [True, False, False]


def test_what_the_server_says_of_time_is_honoured(cache: DiscoveryCache) -> None:
    """It holds for so long; 0 means that it is not kept, and forgets what was."""
    identity = cache.identity(server())
    cache.put(identity, MINE, {"tools": TOOLS}, seconds=10, now=NOW)

    assert cache.get(identity, MINE, NOW + 9.9)
    assert cache.get(identity, MINE, NOW + 10) is None
    assert cache.get(identity, MINE, NOW - 3600) is None, "the clock was set back"
    assert not cache.put(identity, MINE, {"tools": TOOLS}, seconds=0, now=NOW)
    assert cache.get(identity, MINE, NOW) is None


def test_a_few_variants_are_kept(cache: DiscoveryCache) -> None:
    """The newest ones; each can be forgotten alone."""
    identity = cache.identity(server())
    variants = [Variant(version=str(number)) for number in range(6)]
    for number, variant in enumerate(variants):
        cache.put(identity, variant, {"tools": [{"name": str(number)}]}, seconds=60, now=NOW + number)

    assert [bool(cache.get(identity, variant, NOW + 6)) for variant in variants] == [False, False, True, True, True, True]
    cache.drop(identity, variants[5], NOW + 6)
    latest = cache.latest(identity, NOW + 6)
    assert latest
    assert latest.version == "4"
    cache.drop(identity)
    assert cache.latest(identity, NOW + 6) is None


def test_no_secret_is_on_the_disk(cache: DiscoveryCache, tmp_path: Path) -> None:
    """Neither what a server is reached with, nor a listing in which a secret appears, nor whom it is for."""
    token = 'gh"p_ä_very_secret'
    reached = server(env={"GITHUB_TOKEN": token}, args=["--key", token])
    identity = cache.identity(reached, (token,))
    mine = Variant()
    assert cache.put(identity, mine, {"tools": TOOLS}, seconds=60, now=NOW, secrets=reached.secrets)
    assert not cache.put(identity, mine, {"tools": [{"name": "x", "default": f"a {token}"}]}, seconds=60, now=NOW, secrets=reached.secrets)

    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"very_secret" not in file.read_bytes()
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_an_object_of_this_process_is_not_kept(cache: DiscoveryCache) -> None:
    """It means nothing to the next one."""
    identity = cache.identity(ServerConfig(name="s", transport="memory", options={"server": object()}))

    assert identity == ""
    assert not cache.put(identity, MINE, {"tools": TOOLS}, seconds=60, now=NOW)
    assert cache.get(identity, MINE, NOW) is None


@given(st.binary(max_size=200) | st.sampled_from([b"{}", b"[]", b'{"format": 1}', b'{"format": 1, "data": [{"variant": 5}, 7, null, {"lists": 5}]}']))
@settings(max_examples=50, deadline=None)
def test_damaged_files_are_no_listings(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is on the disk: nothing is found, and the next listing is kept."""
    folder = tmp_path_factory.mktemp("damaged")
    cache = DiscoveryCache(folder)
    identity = cache.identity(server())
    (folder / f"{identity}.json").write_bytes(content)

    assert cache.get(identity, MINE, NOW) is None
    assert cache.latest(identity, NOW) is None
    assert cache.put(identity, MINE, {"tools": TOOLS}, seconds=60, now=NOW)
    assert cache.get(identity, MINE, NOW)


def test_a_damaged_key_is_replaced(tmp_path: Path) -> None:
    """Old listings are not found any more; new ones are."""
    cache = DiscoveryCache(tmp_path)
    cache.put(cache.identity(server()), MINE, {"tools": TOOLS}, seconds=60, now=NOW)
    (tmp_path / "salt").write_bytes(b"x")
    one, other = DiscoveryCache(tmp_path), DiscoveryCache(tmp_path)

    assert one.identity(server()) == other.identity(server()) != cache.identity(server())


def test_the_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that were written longest ago go first; so do drafts of processes that died."""
    monkeypatch.setattr(module, "MAX_FILES", 5)
    monkeypatch.setattr(module._prune, "__defaults__", (5,))
    cache = DiscoveryCache(tmp_path)
    draft = tmp_path / ".x.json.1.ab"
    for number in range(9):
        identity = cache.identity(server(args=[str(number)]))
        cache.put(identity, MINE, {"tools": TOOLS}, seconds=60, now=NOW)
        os.utime(tmp_path / f"{identity}.json", (NOW + number * 3600, NOW + number * 3600))
        draft.write_text("")
        os.utime(draft, (1.0, 1.0))
    cache.put(cache.identity(server(args=["8"])), MINE, {"tools": TOOLS}, seconds=60, now=NOW)

    assert len(list(tmp_path.glob("[!.]*.json"))) <= 5
    assert not draft.exists()
    assert (tmp_path / "salt").exists()


def test_a_listing_that_is_too_long_is_not_kept(cache: DiscoveryCache) -> None:
    """A server cannot fill the disk."""
    huge = [{"name": "a", "description": "x" * (module.MAX_FILE + 1)}]

    assert not cache.put(cache.identity(server()), MINE, {"tools": huge}, seconds=60, now=NOW)


def test_without_a_disk_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    """A folder that cannot be made costs the listing only."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = DiscoveryCache(blocked / "cache")
    identity = cache.identity(server())

    assert not cache.put(identity, MINE, {"tools": TOOLS}, seconds=60, now=NOW)
    assert cache.get(identity, MINE, NOW) is None
    cache.drop(identity)
    Pins(blocked / "pins").accept("s", {"a": "1"})


def test_folders_are_those_of_the_user() -> None:
    """By the usual variables, which must hold absolute paths."""
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/massgen/mcp")
    assert cache_folder({"XDG_CACHE_HOME": "relative", "HOME": "/h"}) == Path("/h/.cache/massgen/mcp")
    assert state_folder({"HOME": "/h"}) == Path("/h/.local/state/massgen/mcp")


def test_a_changed_definition_is_noticed(tmp_path: Path) -> None:
    """Until it is accepted; the first sight is no change, and the version of the pinned ones is told."""
    pins = Pins(tmp_path / "pins")
    key = pins.key(server(args=["one"]))
    assert pins.compare(key, {"a": "1"}).is_first
    pins.accept(key, {"a": "1", "b": "2"}, "1.0")

    changes = pins.compare(pins.key(server(args=["two"])), {"a": "1", "b": "3", "c": "4"})
    assert (changes.changed, changes.added, changes.removed, changes.version, changes.is_first) == (("b",), ("c",), (), "1.0", False)
    assert pins.compare(key, {"a": "1"}).removed == ("b",)
    pins.accept(key, {"a": "1", "b": "3", "c": "4"})
    assert pins.compare(key, {"a": "1", "b": "3", "c": "4"}).changed == ()


def test_pins_hold_no_secrets(tmp_path: Path) -> None:
    """What names a server is in the file's name as a hash; its query is left out."""
    pins = Pins(tmp_path)
    key = pins.key(ServerConfig(name="s", transport="http", options={"url": "https://a.example/mcp?key=hunter22"}))
    pins.accept(key, {"a": "1"})

    assert "hunter22" not in key
    assert [json.loads(file.read_text())["data"] for file in tmp_path.glob("*.json")] == [{"version": "", "tools": {"a": "1"}}]
