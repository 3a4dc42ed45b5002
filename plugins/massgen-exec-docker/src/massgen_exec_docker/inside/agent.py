"""Runs commands in a container: it is sent there as text, speaks over its standard streams, and ends, with all that it started, when its input does.

Frames in both directions are a kind, a job's number, a length and that many bytes. For each command there is a supervisor, which adopts whatever the
command leaves behind and ends when nothing of it is left. It needs Python 3.8 and its standard library, and nothing of MassGen: the modules of this
package are sent as one text.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress

from massgen_exec_docker.inside.confine import DUMPABLE, PIECE, SUBREAPER, filter_calls, look, prctl, relay
from massgen_exec_docker.inside.supervise import Supervisor

TYPE_CHECKING = False  # the module typing is slow to import
if TYPE_CHECKING:
    from typing import Any, NoReturn

HEAD = struct.Struct(">cII")
COUNT = struct.Struct(">I")


class Job:
    """A command: its supervisor, its streams, and what may flow.

    `keep` is how much of each output is passed on before the rest is only counted; None: all, as credit allows.
    """

    def __init__(self, agent: Agent, number: int, asked: dict[str, Any], data: bytes) -> None:
        self.agent, self.number = agent, number
        self.keep: int | None = asked["keep"]
        self.credit = [asked["window"]] * 2 if self.keep is None else [self.keep] * 2
        self.dropped, self.waiting, self.input_ends, self.written = 0, bytearray(), False, 0
        self.supervisor = agent.supervisor()
        self.stdin: int | None = self.supervisor.stdin
        self.control: int | None = self.supervisor.control
        self.report = self.supervisor.report
        self.outputs = {self.supervisor.stdout: 0, self.supervisor.stderr: 1}
        if not asked["input"]:
            self.break_input(told=False)
        self.supervisor.begin(data)
        for descriptor in (*self.outputs, self.report):
            agent.watch(descriptor, selectors.EVENT_READ, self)

    def ready(self, descriptor: int) -> None:
        """Do what can be done with one of its descriptors."""
        if descriptor == self.report:
            self.end()
        elif descriptor == self.stdin:
            self.feed()
        elif descriptor in self.outputs:
            self.pass_on(descriptor)

    def pass_on(self, descriptor: int) -> bool:
        """Pass on a piece of output; return whether there may be more."""
        which = self.outputs[descriptor]
        room = self.credit[which]
        if room == 0 and self.keep is None:
            self.agent.forget(descriptor)  # until there is credit
            return False
        try:
            data = os.read(descriptor, PIECE if self.keep is not None else min(PIECE, room))
        except BlockingIOError:
            return False
        if not data:
            self.agent.forget(descriptor)
            os.close(descriptor)
            del self.outputs[descriptor]
            if self.keep is None:  # else its end is told with the command's
                self.agent.send(b"oe"[which : which + 1], self.number)
            return False
        self.credit[which] = max(0, room - len(data))
        self.dropped += max(0, len(data) - room)
        if room:
            self.agent.send(b"OE"[which : which + 1], self.number, data[:room])
        return True

    def grant(self, which: int, count: int) -> None:
        """Let more of an output flow."""
        self.credit[which] += count
        for descriptor, each in self.outputs.items():
            if each == which:
                self.agent.watch(descriptor, selectors.EVENT_READ, self)

    def take(self, data: bytes) -> None:
        """Take input for the command."""
        if self.stdin is None:
            return
        self.waiting += data
        self.feed()

    def close_input(self) -> None:
        """End the input once all of it is written."""
        self.input_ends = True
        if self.stdin is not None:
            self.feed()

    def feed(self) -> None:
        """Write what waits, as much as is taken."""
        assert self.stdin is not None
        try:
            while self.waiting:
                written = os.write(self.stdin, self.waiting[:PIECE])
                del self.waiting[:written]
                self.written += written
                if self.written >= PIECE:
                    self.agent.send(b"c", self.number, COUNT.pack(self.written))
                    self.written = 0
        except BlockingIOError:
            self.agent.watch(self.stdin, selectors.EVENT_WRITE, self)
            return
        except OSError:
            self.break_input()
            return
        self.agent.forget(self.stdin)
        if self.input_ends:
            self.break_input(told=False)

    def break_input(self, told: bool = True) -> None:
        """Close the input; what waits is lost."""
        if self.stdin is not None:
            self.agent.forget(self.stdin)
            os.close(self.stdin)
            self.stdin = None
            self.waiting.clear()
            if told:
                self.agent.send(b"b", self.number)

    def kill(self) -> None:
        """Let the supervisor kill it."""
        if self.control is not None:
            os.close(self.control)
            self.control = None

    def end(self) -> None:
        """Tell how it ended."""
        told = os.read(self.report, PIECE)
        if not told:
            os._exit(3)  # a supervisor that was killed leaves processes that nobody watches: all of the container ends
        self.agent.forget(self.report)
        os.close(self.report)
        if self.keep is not None:
            self.break_input(told=False)
            for descriptor in list(self.outputs):
                while self.pass_on(descriptor):
                    pass
            self.drop()
            self.agent.jobs.pop(self.number, None)
        else:
            self.break_input()
        self.kill()
        self.agent.send(b"X", self.number, told[:-1] + b', "dropped": %d}' % self.dropped)
        self.agent.ended.append(self.supervisor.pid)

    def drop(self) -> None:
        """Give up its outputs; nobody reads them any more."""
        for descriptor in list(self.outputs):
            self.agent.forget(descriptor)
            os.close(descriptor)
        self.outputs.clear()


class Agent:
    """Listens to whoever started it."""

    def __init__(self, spares: int, line: str) -> None:
        self.out, self.input, self.holder = os.dup(1), os.dup(0), -1
        if line:
            self.speak(line)
        nothing = os.open("/dev/null", os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        self.selector, self.buffer = selectors.DefaultSelector(), bytearray()
        self.jobs: dict[int, Job] = {}
        self.unsent = bytearray()
        self.ended: list[int] = []
        self.spares: list[Supervisor] = []
        self.most = spares
        self.spare()
        self.watch(self.input, selectors.EVENT_READ, None)
        if self.holder >= 0:
            self.watch(self.holder, selectors.EVENT_READ, None)

    def speak(self, line: str) -> None:
        """Speak over a socket of whoever started this, past the engine; where that cannot be, over the engine. Its input still says when to end."""
        direct = socket.socket(socket.AF_UNIX)
        try:
            direct.connect(line)
        except OSError:
            direct.close()
            return
        os.close(self.out)
        self.holder, self.input = self.input, direct.detach()
        self.out = self.input

    def watch(self, descriptor: int, events: int, job: Job | None) -> None:
        """Be told when a descriptor is ready."""
        if descriptor not in self.selector.get_map():
            self.selector.register(descriptor, events, job)

    def forget(self, descriptor: int) -> None:
        """Be told no more."""
        if descriptor in self.selector.get_map():
            self.selector.unregister(descriptor)

    def send(self, kind: bytes, number: int, data: bytes = b"") -> None:
        """Send a frame, together with others of this moment."""
        self.unsent += HEAD.pack(kind, number, len(data))
        self.unsent += data
        if len(self.unsent) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what is to be sent, all of it."""
        with memoryview(self.unsent) as view:
            at = 0
            while at < len(view):
                at += os.write(self.out, view[at:])
        self.unsent.clear()

    def supervisor(self) -> Supervisor:
        """Return a supervisor without a command."""
        return self.spares.pop() if self.spares else Supervisor()

    def spare(self) -> None:
        """Make supervisors for commands to come, and collect those that have ended."""
        for pid in self.ended:
            os.waitpid(pid, 0)
        self.ended.clear()
        with suppress(OSError):  # at the limit of processes; it is tried again when there is a command
            while len(self.spares) < self.most:
                self.spares.append(Supervisor())

    def frame(self, kind: bytes, number: int, data: bytes) -> None:
        """Do what a frame says."""
        if kind == b"R":
            try:
                self.jobs[number] = Job(self, number, json.loads(data), data)
            except OSError as error:
                told = {"failure": ["program", error.errno, error.strerror]}
                self.send(b"X", number, json.dumps(told).encode())
            return
        job = self.jobs.get(number)
        if job is None:
            return
        if kind == b"I":
            job.take(data)
        elif kind == b"C":
            job.close_input()
        elif kind == b"K":
            job.kill()
        elif kind == b"W":
            job.grant(data[0], COUNT.unpack_from(data, 1)[0])
        elif kind == b"F":
            job.drop()
            del self.jobs[number]

    def listen(self, descriptor: int) -> None:
        """Read what has come, and do what is whole."""
        data = os.read(descriptor, 4 * PIECE)
        if not data:
            os._exit(0)  # whoever started this is gone
        if descriptor == self.holder:  # commands find it as the input of the container's first process
            return
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= HEAD.size:
            kind, number, size = HEAD.unpack_from(self.buffer, at)
            if len(self.buffer) - at - HEAD.size < size:
                break
            self.frame(kind, number, bytes(self.buffer[at + HEAD.size : at + HEAD.size + size]))
            at += HEAD.size + size
        del self.buffer[:at]

    def serve(self) -> NoReturn:
        """Serve until the input ends."""
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    self.listen(key.fd)
                elif key.fd in self.selector.get_map():
                    key.data.ready(key.fd)
            self.flush()
            if self.ended:
                self.spare()


def main() -> NoReturn:
    """Confine this process, say what is seen from inside, and serve."""
    given = json.loads(sys.argv[1])
    prctl(DUMPABLE, 0)
    prctl(SUBREAPER, 1)
    os.umask(0o022)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with suppress(OSError):
        os.makedirs(given["home"], 0o700, exist_ok=True)
    if given.get("port"):
        relay(given["port"])
    programs = given["programs"]
    if programs:
        filter_calls(bytes.fromhex(programs.get(os.uname().machine, "")))
    agent = Agent(given["spares"], given.get("line", ""))
    seen = {**look(), "marked": bool(given.get("mark")) and os.path.lexists(given["mark"])}
    agent.send(b"H", 0, json.dumps(seen).encode())
    agent.flush()
    agent.serve()
