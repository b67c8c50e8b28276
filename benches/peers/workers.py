"""A worker process: spoken to over pipes, watched through /proc."""

import json
import os
import selectors
import subprocess
import tempfile
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A worker ended, or did not answer in time; the text is its last word."""


def machine_busy():
    """Seconds that all cores together have been busy since the machine started."""
    fields = [int(n) for n in open("/proc/stat").readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, *rest = fields
    steal = rest[0] if rest else 0
    return (user + nice + system + irq + softirq + steal) / TICKS


class Worker:
    """One engine with one network loaded."""

    def __init__(self, command, threads, timeout):
        self.timeout = timeout
        self.errors = tempfile.TemporaryFile()
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS")}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            env={**os.environ, **limits},
        )
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.buffer = b""
        try:
            self.ready = self.answer()
        except Failed:
            self.close()
            raise
        # Spawn to first result, the interpreter and its imports included.
        self.cold_ms = (time.perf_counter() - started) * 1e3

    def answer(self):
        """The next JSON document; lines that are none (an engine's chatter) are passed over."""
        until = time.monotonic() + self.timeout
        while True:
            line, newline, rest = self.buffer.partition(b"\n")
            if newline:
                self.buffer = rest
                if line.startswith(b"{"):
                    return json.loads(line)
                continue
            if not self.selector.select(max(0.0, until - time.monotonic())):
                raise Failed(f"no answer within {self.timeout:.0f} s")
            more = os.read(self.process.stdout.fileno(), 1 << 16)
            if not more:
                raise Failed(self.last_words())
            self.buffer += more

    def run(self, count):
        """Times of `count` runs (ms), and the share of the machine that others used meanwhile (0 to 1)."""
        busy, own, clock = machine_busy(), self.cpu_seconds(), time.perf_counter()
        try:
            self.process.stdin.write(f"run {count}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.last_words()) from None
        times = self.answer()["ms"]
        elapsed = (time.perf_counter() - clock) * os.cpu_count()
        foreign = (machine_busy() - busy) - (self.cpu_seconds() - own)
        return times, min(1.0, max(0.0, foreign / elapsed))

    def cpu_seconds(self):
        """User and system time of the worker with all its threads."""
        fields = open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_rss_mb(self):
        """Most memory that was resident at once, in 10^6 bytes."""
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
        return None

    def last_words(self):
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else f"ended with status {self.process.returncode}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.selector.close()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            try:
                stream.close()
            except BrokenPipeError:
                pass
