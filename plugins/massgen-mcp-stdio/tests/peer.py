"""A server of the standard library alone, good or bad as its first argument says; run as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

OUT = sys.stdout.buffer


def write(data: bytes) -> None:
    OUT.write(data)
    OUT.flush()


def answer(request: object, **result: object) -> None:
    write(json.dumps({"jsonrpc": "2.0", "id": request, "result": result}).encode() + b"\n")


def echo(stop_at_end: bool = True) -> None:  # noqa: PLR0912 - a table of behaviours
    """Answer each request with its own parameters, and with what this process sees, until the input ends."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        match message.get("method"):
            case "env":
                answer(message["id"], env=dict(os.environ), cwd=os.getcwd(), group=os.getpgid(0), pid=os.getpid())
            case "big":
                write(b'{"jsonrpc":"2.0","id":%d,"result":{"text":"' % message["id"])
                for _ in range(message["params"]["megabytes"]):
                    write(b"x" * 1_000_000)
                write(b'"}}\n')
            case "exit":
                print("out of cheese", file=sys.stderr, flush=True)
                os._exit(message["params"]["code"])
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stray":
                answer(999, stray=True)
                answer("nobody", stray=True)
                answer(message["id"])
            case "flood":
                for _ in range(5000):
                    sys.stderr.write("e" * 999 + "\n")
                print("the end of the flood", file=sys.stderr, flush=True)
                answer(message["id"])
            case "junk":
                write(b'Server starting\n\x1b[2Jcafe caf\xe9\n\n{}\n[]\n12\n{"jsonrpc":"2.0"}\n{"id":%d,"msg":"a log"}\n' % message["id"])
                answer(message["id"])
            case "indented":
                write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {"a": {"b": [1]}}}, indent=2).encode() + b"\n")
            case "bytes":
                write(b'{"jsonrpc":"2.0","id":%d,"result":{"text":"caf\xe9"}}\n' % message["id"])
            case "raw":
                write(message["params"]["text"].replace("ID", str(message["id"])).encode("latin-1") + b"\n")
            case "half":
                write(b'{"jsonrpc":"2.0","id":1,"resu')
                return
            case "child":
                answer(message["id"], pid=child(message["params"]["new_session"]))
            case "mute":
                pass
            case _:
                if "id" in message:
                    answer(message["id"], params=message.get("params"))
    if not stop_at_end:
        time.sleep(60)


def child(new_session: bool) -> int:
    """Start a process that ignores SIGTERM and holds this one's pipes."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    made = subprocess.Popen([sys.executable, "-S", "-E", "-c", code], start_new_session=new_session)
    time.sleep(0.2)
    return made.pid


match sys.argv[1]:
    case "echo":
        echo()
    case "at-once":
        print("no token was given", file=sys.stderr)
        sys.exit(3)
    case "ignores-end":
        echo(stop_at_end=False)
    case "ignores-all":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        echo(stop_at_end=False)
    case "deaf":
        print("ready", file=sys.stderr, flush=True)
        if sys.argv[2:]:
            signal.signal(signal.SIGUSR1, lambda *_: echo())
            signal.pause()
        time.sleep(60)
    case "closes-output":
        OUT.close()
        os.close(1)
        time.sleep(60)
