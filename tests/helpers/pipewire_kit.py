"""A PipeWire of the test's own with two null sinks, and a recorder that knows when each sample was played."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from sound_kit import Recording

RATE_HZ = 48_000
_SINK = """{ factory = adapter args = {
  factory.name = support.null-audio-sink node.name = %s media.class = Audio/Sink audio.position = [ FL FR ]
  object.linger = true
} }"""
_TOOLS = ("pipewire", "wireplumber", "pw-record", "pw-cli", "dbus-daemon")


def missing() -> str | None:
    """Why there can be no PipeWire here."""
    lacking = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if lacking:
        return f"no {', '.join(lacking)}"
    if not any(Path(root).glob("**/libasound_module_pcm_pipewire.so") for root in ("/usr/lib", "/usr/lib64")):
        return "no ALSA plugin of PipeWire (pipewire-alsa)"
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError) as e:
        return f"no sounddevice: {e}"
    return None


class PipeWire:
    """A running server; `env` is what its clients need, `server` its process."""

    def __init__(self, env: dict[str, str], server: subprocess.Popen[bytes]) -> None:
        self.env, self.server = env, server

    def take_sink_away(self) -> None:
        """As when a headset is unplugged, or out of reach; the other sink stays."""
        nodes = subprocess.run(
            ["pw-cli", "ls", "Node"], env=self.env, capture_output=True, text=True, check=True
        )
        [sink] = [text for text in nodes.stdout.split("\tid ") if 'node.name = "heard"' in text]
        subprocess.run(["pw-cli", "destroy", sink.split(",")[0]], env=self.env, check=True)

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what the sink plays until the block is left."""
        recorder = Recorder(self.env)
        try:
            yield recorder
        finally:
            recorder.stop()


class Recorder:
    """Reads the sink's monitor as it comes; its times are late by what the recorder itself buffers."""

    def __init__(self, env: dict[str, str]) -> None:
        words = [
            "nice",
            "-n",
            "-15",
            "pw-record",
            "--target=heard",
            "-P",
            "{ stream.capture.sink=true }",
            "--latency=5ms",
        ]
        words += [f"--rate={RATE_HZ}", "--channels=2", "--format=s16"]
        helps = subprocess.run(["pw-record", "--help"], env=env, capture_output=True, text=True, check=False)
        # Later versions write a header unless they are told not to; earlier ones know no such word.
        words += ["--raw"] if "--raw" in helps.stdout + helps.stderr else []
        words.append("-")
        self._process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._data = bytearray()
        self._arrivals: list[tuple[int, int]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            self._data += chunk
            self._arrivals.append((len(self._data) // 4, time.monotonic_ns()))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def recording(self) -> Recording:
        samples = np.frombuffer(bytes(self._data[: len(self._data) // 4 * 4]), "<i2").reshape(-1, 2) / 32768
        return Recording(samples, 0, RATE_HZ, tuple(self._arrivals))


@contextmanager
def pipewire(folder: Path) -> Iterator[PipeWire | None]:
    """A server for the block; None where it does not come up."""
    runtime, home = folder / "run", folder / "home"
    configured = home / ".config" / "pipewire" / "pipewire.conf.d"
    configured.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    (configured / "null.conf").write_text(f"context.objects = [ {_SINK % 'heard'} {_SINK % 'other'} ]")
    env = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(runtime)}
    env |= {"XDG_CONFIG_HOME": str(home / ".config"), "XDG_STATE_HOME": str(home / ".state")}
    env["PIPEWIRE_NODE"] = "heard"  # where ALSA's clients play
    env["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime}/bus"
    started: list[subprocess.Popen[bytes]] = []
    try:
        for words in (
            ["dbus-daemon", "--session", "--nofork", f"--address={env['DBUS_SESSION_BUS_ADDRESS']}"],
            # Real ones have a real-time priority of their own.
            ["nice", "-n", "-15", "pipewire"],
            ["wireplumber"],
        ):
            started.append(
                subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            time.sleep(0.5)
        yield PipeWire(env, started[1]) if _has_sink(env) else None
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _has_sink(env: dict[str, str]) -> bool:
    for _ in range(40):
        asked = subprocess.run(
            ["pw-cli", "ls", "Node"], env=env, capture_output=True, text=True, check=False, timeout=10
        )
        if 'node.name = "heard"' in asked.stdout:
            return True
        time.sleep(0.25)
    return False
