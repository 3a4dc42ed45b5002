"""How scripts and code become facts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_safety_commands.facts import Call, Facts, Use
from massgen_safety_commands.judge import find, is_read_only, read
from massgen_safety_commands.words import scan, skeleton

WORDS = "$( ${ <<< <( && rm -rf / sh -c x= $x for do done if case esac find -exec xargs eval base64 -d cd echo curl python3"
PARTS = st.sampled_from([*"|&;<>()\n\"'`$\\{}#=*~ ", *WORDS.split(), "<<E\n", "import os\n", "\x00", "é", "\ud800"])
SCRIPTS = st.lists(PARTS, max_size=60).map("".join) | st.text(max_size=80)
LONG = 60_000
HARD = {
    "dollars": "${",
    "substitutions": "$(",
    "quoted substitutions": '"$(',
    "commands": "ls;",
    "here-documents": "<<A ",
    "parentheses": "( ",
    "loops": "for a in b; do ",
    "doubling": "x=$x$x; ",
    "wrappers": "nohup ",
    "finds": "find a b c -exec ",
    "functions": "f ( ) { ",
    "pushes": "git push -",
    "escapes": "'\\",
    "folders": "cd a; ",
    "downloads": "curl -o x y; ./x; ",
}


def calls(text: str, language: str = "shell") -> set[str]:
    return {call.program for call in read(language, text).calls}


def uses(text: str, language: str = "shell") -> set[tuple[str, str]]:
    return {(use.path, use.access) for use in read(language, text).uses}


@given(SCRIPTS, st.sampled_from(["shell", "python", "perl", ""]))
@settings(max_examples=300, deadline=None)
def test_reading_never_fails(text: str, language: str) -> None:
    """Whatever the text: facts, and the same again."""
    facts = read(language, text)

    assert facts == read(language, text)
    assert [finding.rule.name for finding in find(facts)] == [finding.rule.name for finding in find(facts)]


@given(SCRIPTS)
@settings(max_examples=200, deadline=None)
def test_tokens_hold_what_is_not_structure(text: str) -> None:
    """Tokens are made of the text, and their structure is never longer than twice the text."""
    tokens = scan(text)

    assert len(tokens) <= len(text)
    assert len(skeleton(tokens)) <= 4 * len(text) + 4


@pytest.mark.parametrize("part", HARD.values(), ids=HARD)
def test_long_texts_take_a_moment(part: str) -> None:
    """Texts that are made to be slow to read are read, or given up, within seconds of processor time."""
    began = time.process_time()
    for language in ("shell", "perl"):
        [*find(read(language, part * (LONG // len(part))))]

    assert time.process_time() - began < 15


@pytest.mark.parametrize(
    "text", ["x=a;" + "x=$x$x;" * 40 + "echo $x", "sh -c " * 20 + "ls", "$(" * 20, "ls;" * 30_000], ids=["grows", "starts", "nests", "goes on"]
)
def test_what_is_too_much_is_said(text: str) -> None:
    """It is not silently let through."""
    facts = read("shell", text)

    assert facts.unclear or calls(text) == {"sh"}


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /x",
        r"\rm -rf /x",
        "r'm' -r\"f\" '/x'",
        "/usr/bin/rm /x",
        "A=1 B=2 env -i C=3 rm /x",
        "true && rm /x || false",
        "ls | rm /x",
        "(rm /x)",
        "{ rm /x; }",
        "if a; then rm /x; fi",
        "while a\ndo rm /x\ndone",
        "for i in /x; do rm $i; done",
        "case a in a) rm /x;; esac",
        "f() { rm /x; }",
        "echo $(rm /x)",
        'echo "`rm /x`"',
        "cat <(rm /x)",
        "bash -lc 'rm /x'",
        "sh <<E\nrm /x\nE",
        "sh <<< 'rm /x'",
        "echo 'rm /x' | sh",
        "printf 'rm %s' /x | bash -s",
        "eval rm /x",
        "x='rm /x'; eval \"$x\"",
        "x=/x; rm $x",
        "rm ${UNSET:-/x}",
        "echo /x | xargs rm",
        "xargs -n1 rm /x < list",
        "find /x -exec rm {} \\;",
        "nohup nice -n 5 timeout -k 1 9 rm /x &",
        "su -c 'rm /x'",
        "cd / && rm x",
        "cd /; cd - ; cd /; rm x",
        "{rm,/x}",
        "$'\\x72m' /x",
        "rm \\\n /x",
        "python3 -c 'import os; os.remove(\"/x\")'",
        "node -e 'fs.unlinkSync(\"/x\")'",
        "echo cm0gL3gK | base64 -d | sh",
        "echo rm /x > y.sh && sh y.sh",
        "cat > y.sh <<E\nrm /x\nE\n./y.sh",
        "alias ls='rm /x'; ls",
        "function ls { rm /x; }; ls",
        "function ls\n{ rm /x; }",
        "function ls() { rm /x; }",
        "function ls if true; then rm /x; fi",
        "coproc ls { rm /x; }",
        "coproc ls (rm /x)",
        "coproc rm /x",
        "read line <<< 'rm /x'; $line",
        "awk 'BEGIN { system(\"rm /x\") }'",
        "tar cf y z --checkpoint-action=exec='rm /x'",
        "git -c core.pager='rm /x' log",
        "ls /x | while read f; do rm $f; done",
        'python3 -c \'import os; os.system("rm %s" % "/x")\'',
        "cd /x/y; rm -r $(dirname $PWD)",
    ],
)
def test_deletion_is_seen(text: str) -> None:
    """However it is wrapped and quoted."""
    assert any(path.startswith("/x") and access == "delete" for path, access in uses(text)), uses(text)


@pytest.mark.parametrize(
    "text", ["echo 'rm /x'", "# rm /x", "echo a # rm /x", "cat <<E\nrm /x\nE", "git commit -m 'rm /x'", "cd x && rm x", "grep 'rm /x' y"]
)
def test_deletion_that_is_only_text_is_not_seen(text: str) -> None:
    """Quoted text, comments and documents are not commands."""
    assert not any(path.startswith("/") for path, access in uses(text))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a/b", "./a/b"),
        ("./a/../b", "./b"),
        ("../a", "../a"),
        ("a/../../b", "../b"),
        ("/etc//x", "/etc/x"),
        ("//etc", "/etc"),
        ("~/x", "~/x"),
        ("/home/ann/x", "~/x"),
        ("/Users/ann/.ssh", "~/.ssh"),
        ("~ann/x", "~/x"),
        ("~/a/../x", "~/x"),
        ("~/../x", "/x"),
        ("/home/ann/../bob/x", "~/x"),
        ("/ws/a", "./a"),
        ("/ws", "./"),
        ("/wsx", "/wsx"),
        ("/ws/../etc", "/etc"),
        ("$X/a", "?"),
        ("", "?"),
        ("file:///etc/x", "/etc/x"),
    ],
)
def test_places(path: str, place: str) -> None:
    """A path says where it is: within the workspace, beside it, in a home, elsewhere, or nobody knows."""
    assert Facts(inside=("/ws",)).place(path) == place


@given(st.text(max_size=40), st.sampled_from([".", "./a", "/", "~", "..", "?"]))
def test_place_is_always_one_of_five(path: str, folder: str) -> None:
    """Whatever the path."""
    assert Facts(inside=("/ws",)).place(path, folder).startswith(("./", "..", "~", "/", "?"))


def test_subshell_leaves_the_folder_alone() -> None:
    """What `cd` does in parentheses ends with them."""
    assert uses("(cd ..; ls); rm x") == {("./x", "delete")}


def test_pipes_say_what_they_feed() -> None:
    """A program knows all that its input went through."""
    assert Call("c", "", frozenset({"a", "b"})) in read("shell", "a | b | c").calls


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("import shutil as s\ns.rmtree('/x')", Use("/x", "delete")),
        ("from os import remove as r\nr('/x')", Use("/x", "delete")),
        ("p = '/x'\nopen(p, mode='w')", Use("/x", "write")),
        ("from pathlib import Path\n(Path.home() / 'x').unlink()", Use("~/x", "delete")),
        ("import os\nopen(os.path.join('/a', 'b'))", Use("/a/b", "read")),
        ("import os\nopen(f\"{os.environ['HOME']}/x\")", Use("~/x", "read")),
        ("import subprocess\nsubprocess.run(['rm', '/x'])", Use("/x", "delete")),
        ("import subprocess\nsubprocess.run('rm /x', shell=True)", Use("/x", "delete")),
        ("import os\nos.execl('/bin/sh', 'sh', '-c', 'rm /x')", Use("/x", "delete")),
        ("from pathlib import Path\n[p.unlink() for p in Path('/x').iterdir()]", Use("/x/{}", "delete")),
        ("eval(\"__import__('os').system('rm /x')\")", Use("/x", "delete")),
        ("!rm /x\nprint(1)", Use("/x", "delete")),
        ("import os\nx = (5\n% 3)\nos.remove(os.path.join('/', 'x'))", Use("/x", "delete")),
    ],
)
def test_python_is_read(code: str, use: Use) -> None:
    """Names, simple texts and paths are followed."""
    assert use in read("python", code).uses


def test_python_that_cannot_be_parsed_is_judged_by_its_texts() -> None:
    """A mistake in the code hides nothing."""
    assert Use("/x", "delete") in read("python", "import os\nos.system('rm /x'\nprint '").uses


@pytest.mark.parametrize("text", ["ls -la", "cat README.md | head -n 3", "grep -rn x src && pwd", "wc -l a b", "ls 2>/dev/null"])
def test_plain_looking_is_recognised(text: str) -> None:
    """Simple commands that only look at the workspace."""
    assert is_read_only(read("shell", text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat /etc/passwd",
        "cat ../x",
        "cat .env",
        "cat ~/x",
        "ls > x",
        "cat $x",
        "cat $(x)",
        "A=1 ls",
        "./ls",
        "ls; make",
        "git status",
        "ls(){ x; }; ls",
        "function cat { ./x; }; cat f",
        "coproc cat { ./x; }",
        "coproc cat x",
        "cat {..,.}/x",
    ],
)
def test_other_commands_are_not(text: str) -> None:
    """What writes, expands, leaves the workspace, shows hidden files or starts other programs is not among them."""
    assert not is_read_only(read("shell", text))


def test_python_is_never_taken_for_plain_looking() -> None:
    """Nobody knows what else it does."""
    assert not is_read_only(read("python", "import subprocess\nsubprocess.run(['ls'])"))
