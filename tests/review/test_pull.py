"""`pull` and reading over ssh, through a real OpenSSH server on loopback."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer
from msgspec.structs import replace
from ssh_kit import REARGUARD, Server
from tmux_kit import Tmux, tmux_fixture  # noqa: F401
from trace_kit import a_trace

from rearguard.cli.main import cli
from rearguard.errors import BadInput, PartFailed
from rearguard.journal import retention
from rearguard.journal.db import insert, schema
from rearguard.journal.db.rows import Filter
from rearguard.journal.db.store import Journal
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS, FILE_MODE
from rearguard.journal.trace.files import trace_files
from rearguard.journal.transfer import Greeting, Parcel, digest, merge, pack, states, unpack
from rearguard.review.pull import INCOMING
from rearguard.review.remote import Remote
from rearguard.types import Cue, CueName, Fault, MarkKind


def outing(folder: Path, key: str, count: int = 2, device: str = "pi-1") -> None:
    """An outing with near misses, each with a picture of noise, a cue and a fault."""
    rng = np.random.default_rng(int(key, 16))
    writer = a_writer(folder, start=a_start(key=key, device=device))
    for n in range(count):
        image = rng.integers(0, 255, (180, 320, 3), dtype=np.uint8)
        writer.near_miss(a_near_miss(10.0 + n), Snapshot(image))
    writer.cue(Cue(at_ns=MONO_NS, cue=CueName.CAUTION))
    writer.fault(Fault.DARK, MONO_NS, MONO_NS + 1)
    writer.mark(MONO_NS + 3)
    writer.mark(MONO_NS + 5, MarkKind.FALL)
    assert writer.close(10)


KEYS = [f"{n:016x}" for n in range(1, 9)]


@pytest.fixture
def device(tmp_path: Path) -> Path:
    folder = tmp_path / "on the device"  # a space: both shells and sftp must get it right
    outing(folder, KEYS[0])
    outing(folder, KEYS[1], 3)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def pull(server: Server, device: Path, home: Path, *more: str) -> Result:
    options = ["-F", str(server.config), "--command", REARGUARD, "--remote-journal", str(device)]
    return CliRunner().invoke(cli, ["pull", "device", *options, "--journal", str(home), "--json", *more])


def result(done: Result) -> dict[str, object]:
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.output.splitlines()[-1])  # type: ignore[no-any-return]


def content(folder: Path) -> tuple[list[object], dict[str, bytes]]:
    """What a journal says, without ids, and its files."""
    with Journal.open(folder, readonly=True) as journal:
        parcels = [pack(journal, state.key) for state in states(journal)]
    return sorted(map(msgspec.to_builtins, parcels), key=str), {
        p.name: p.read_bytes() for p in (folder / CLIPS).iterdir()
    }


def test_everything_arrives_and_then_nothing_is_new(server: Server, device: Path, home: Path) -> None:
    first = result(pull(server, device, home))
    assert (first["outings"], first["near_misses"], first["files"], first["missing_files"]) == (2, 5, 10, 0)
    assert content(home) == content(device)
    assert not (home / INCOMING).exists()
    again = result(pull(server, device, home))
    assert (again["outings"], again["files"], again["bytes"]) == (0, 0, 0)


def test_only_what_is_new_is_fetched(server: Server, device: Path, home: Path) -> None:
    pull(server, device, home)
    outing(device, KEYS[2], 1)
    with Journal.open(device) as journal, journal.transaction(durable=True) as db:
        insert.store_opinion(db, 1, note="my neighbour")
    more = result(pull(server, device, home))
    assert (more["outings"], more["near_misses"], more["files"]) == (2, 3, 2)
    assert content(home) == content(device)


def test_what_was_said_at_home_stays(server: Server, device: Path, home: Path) -> None:
    pull(server, device, home)
    with Journal.open(home) as journal, journal.transaction(durable=True) as db:
        for near_miss_id in range(1, 6):
            insert.store_opinion(db, near_miss_id, verdict="false", note="a tree", flagged=True)
    with Journal.open(device) as journal, journal.transaction(durable=True) as db:
        insert.store_opinion(db, 1, verdict="true", note="a person")
        db.execute("UPDATE outing SET frames = 77")
    assert result(pull(server, device, home))["outings"] == 2
    with Journal.open(home, readonly=True) as journal:
        assert {(r.verdict, r.note, r.flagged) for r in journal.near_misses()} == {("false", "a tree", True)}
        assert {o.frames for o in journal.outings()} == {77}


def test_several_devices_go_into_one_journal(
    server: Server, device: Path, home: Path, tmp_path: Path
) -> None:
    outing(tmp_path / "second", KEYS[3], 1, device="raspberrypi")
    pull(server, device, home)
    pull(server, tmp_path / "second", home, "--device", "anna")
    with Journal.open(home, readonly=True) as journal:
        assert [r.device for r in journal.near_misses()].count("anna") == 1
        assert len(journal.near_misses(Filter(device="pi-1"))) == 5
    lines = CliRunner().invoke(cli, ["log", "--journal", str(home)], env={"COLUMNS": "140"}).output
    assert "anna" in lines
    assert result(pull(server, tmp_path / "second", home, "--device", "anna"))["outings"] == 0


def test_numbers_first_and_pictures_later(server: Server, device: Path, home: Path) -> None:
    assert result(pull(server, device, home, "--no-pictures"))["files"] == 0
    assert result(pull(server, device, home, "--no-pictures"))["outings"] == 0
    assert result(pull(server, device, home))["files"] == 10
    assert content(home) == content(device)


def test_a_cut_while_outings_arrive_keeps_those_that_are_whole(
    server: Server, device: Path, home: Path, tmp_path: Path
) -> None:
    """The command on the device dies in the middle of the second outing."""
    with Journal.open(device, readonly=True) as journal:
        first, second = (len(msgspec.json.encode(pack(journal, s.key))) for s in states(journal))
    cutter = tmp_path / "cutter"
    cutter.write_text(
        f'#!/bin/sh\nif [ $2 = send ]; then {REARGUARD} "$@" | head -c {first + second // 2}; kill -9 $$; fi\n'
        f'exec {REARGUARD} "$@"\n'
    )
    cutter.chmod(0o755)
    done = pull(server, device, home, "--command", str(cutter))
    assert isinstance(done.exception, PartFailed)
    with Journal.open(home, readonly=True) as journal:
        assert len(journal.outings()) == 1
    result(pull(server, device, home))
    assert content(home) == content(device)


def test_a_cut_while_pictures_arrive_goes_on_where_it_was(server: Server, device: Path, home: Path) -> None:
    pull(server, device, home, "--no-pictures")
    (home / INCOMING).mkdir()
    files = sorted((device / CLIPS).iterdir())
    for path in files[:3]:
        data = path.read_bytes()
        (home / INCOMING / path.name).write_bytes(data[: len(data) // 2])
    (home / INCOMING / files[3].name).write_bytes(b"\0" * 100)  # damaged: does not fit what follows
    assert result(pull(server, device, home))["files"] == 10
    assert content(home) == content(device)


def test_a_picture_that_expired_on_the_way_is_said_to_be_missing(
    server: Server, device: Path, home: Path
) -> None:
    next((device / CLIPS).glob("*.jpg")).unlink()
    done = result(pull(server, device, home))
    assert (done["files"], done["missing_files"]) == (9, 1)


def test_pictures_deleted_at_home_do_not_come_back(server: Server, device: Path, home: Path) -> None:
    pull(server, device, home)
    with Journal.open(home) as journal:
        retention.purge(journal, [1], pictures_only=True)
    with Journal.open(device) as journal, journal.transaction(durable=True) as db:
        db.execute("UPDATE outing SET frames = 77")
    assert result(pull(server, device, home))["files"] == 0


def test_what_was_fetched_does_not_expire_by_itself(server: Server, device: Path, home: Path) -> None:
    from rearguard.config.journal import Journal as Settings

    pull(server, device, home)
    with Journal.open(home) as journal:
        later_s = journal.outings(1)[0].wall_s + 400 * 86400
        assert retention.expire(journal, Settings(), later_s, synced=True).files == 0
        assert retention.expire(journal, Settings(), later_s, synced=True, fetched_too=True).near_misses == 5


def test_log_over_ssh(server: Server, device: Path) -> None:
    done = server.ssh(f"{REARGUARD} log --json --journal '{device}'")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 5
    table = server.ssh(f"{REARGUARD} log --journal '{device}'")
    assert "\x1b" not in table.stdout, "no colour in a pipe"
    assert len(table.stdout.splitlines()) == 6


def test_a_coach_with_a_restricted_key_reads_and_does_nothing_else(server: Server, device: Path) -> None:
    """As docs/review.md says: whatever is asked for, the forced command runs."""
    docs = (Path(__file__).parents[2] / "docs" / "review.md").read_text()
    (line,) = [line for line in docs.splitlines() if line.startswith("restrict,pty,command=")]
    options, command, _ = line.split('"')
    assert command == "/opt/rearguard/current/bin/rearguard review"
    server.authorise(f"{options}\"{REARGUARD} log --json --journal '{device}'\"")
    try:
        for asked in ("cat /etc/passwd", "", "rm -rf /"):
            done = server.ssh(*([asked] if asked else []))
            assert len(json.loads(done.stdout)) == 5
        copied = subprocess.run(
            ["sftp", "-F", str(server.config), "-b", "-", "device"], input="get /etc/hostname\n", capture_output=True,
            text=True, timeout=30,
        )  # fmt: skip
        assert copied.returncode != 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            forward = f"{probe.getsockname()[1]}:127.0.0.1:22"
        assert (
            "forwarding" in server.ssh("-v", "-R", forward, "-o", "ExitOnForwardFailure=yes").stderr.lower()
        )
        assert server.ssh("-R", forward, "-o", "ExitOnForwardFailure=yes").returncode == 255
    finally:
        server.authorise()


def test_a_coach_reviews_over_ssh(server: Server, device: Path, tmux: Callable[[str], Tmux]) -> None:
    server.authorise(f"restrict,pty,command=\"{REARGUARD} review --journal '{device}'\"")
    try:
        window = tmux(f"ssh -F {server.config} device; echo the session ended")
        screen = window.until("person came close")
        assert "f false" in screen
        window("send-keys", "q")
        window.until("the session ended")
    finally:
        server.authorise()


def test_a_host_that_is_an_option_is_refused() -> None:
    for host in ("-oProxyCommand=touch /tmp/owned", "", "a b", "a\nb"):
        with pytest.raises(BadInput, match="not a host"):
            Remote(host)


def test_a_command_with_half_a_quotation_is_refused() -> None:
    with pytest.raises(BadInput, match="--command"):
        Remote("pi", command="x'")


def test_no_connection_is_one_line(server: Server, home: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host device\n  HostName 127.0.0.1\n  Port 1\n  BatchMode yes\n")
    done = CliRunner().invoke(cli, ["pull", "device", "-F", str(config), "--journal", str(home)])
    assert "ssh could not connect" in str(done.exception)
    no_command = CliRunner().invoke(
        cli,
        [
            "pull",
            "device",
            "-F",
            str(server.config),
            "--command",
            "/no/such/rearguard",
            "--journal",
            str(home),
        ],
    )
    assert "say where with --command" in str(no_command.exception)
    chatty = CliRunner().invoke(
        cli,
        ["pull", "device", "-F", str(server.config), "--command", "echo welcome;", "--journal", str(home)],
    )
    assert isinstance(chatty.exception, BadInput | PartFailed)


@pytest.fixture
def parcel(device: Path) -> Parcel:
    with Journal.open(device, readonly=True) as journal:
        found = pack(journal, KEYS[0])
    assert found is not None
    return found


def resent(parcel: Parcel, **changes: object) -> bytes:
    """A parcel changed on the way by somebody who also puts the digest right."""
    changed = msgspec.structs.replace(parcel, **changes)
    return msgspec.json.encode(msgspec.structs.replace(changed, state=digest(changed)))


def test_a_hostile_device_reaches_nothing_outside_its_outing(parcel: Parcel) -> None:
    assert unpack(msgspec.json.encode(parcel)) == unpack(resent(parcel))
    first = parcel.near_misses[0]

    def with_file(name: str) -> bytes:
        media = [msgspec.structs.replace(first.media[0], file=name)]
        return resent(parcel, near_misses=[msgspec.structs.replace(first, media=media)])

    bad = [
        with_file("../../.ssh/authorized_keys"),
        with_file("/etc/passwd"),
        with_file(f"{KEYS[1]}-1.jpg"),  # another outing's
        resent(parcel, outing=replace(parcel.outing, key="../evil")),
        msgspec.json.encode(replace(parcel, outing=5)),
        msgspec.json.encode(replace(parcel, near_misses=[first.record])),
        msgspec.json.encode(replace(parcel, cues=[[1, 2]])),
        msgspec.json.encode(msgspec.structs.replace(parcel, state="0" * 64)),
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
    ]
    for line in bad:
        with pytest.raises(BadInput):
            unpack(line)


def test_values_that_no_table_takes_are_refused_whole(parcel: Parcel, home: Path) -> None:
    exploded = replace(parcel, outing=replace(parcel.outing, ended="exploded"))
    with Journal.open(home) as journal:
        with pytest.raises(sqlite3.IntegrityError):
            merge(journal, exploded)
        assert journal.outings() == []


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("outing", "ended", "exploded"),
        ("outing", "worn_s", "abc"),
        ("outing", "source", 5),
        ("outing", "realtime", 7),
        ("outing", "frames", -1),
        ("outing", "origin_ns", 2**63),
        ("outing", "config", "[" * 100_000),
        ("outing", "config", "no JSON"),
        ("near_misses.0.record", "min_ttc_s", "abc"),
        ("near_misses.0.record", "level", "x"),
        ("near_misses.0.record", "level", 2.5),
        ("near_misses.0.record", "number", "x"),
        ("near_misses.0.record", "first_ns", 2**63 + 5),
        ("near_misses.0.record", "first_ns", -(2**63)),
        ("near_misses.0.record", "wall_s", None),
        ("near_misses.0.record", "verdict", "\x1b]0;owned\x07"),
        ("near_misses.0.record", "label", "long " * 100),
        ("near_misses.0.trace.0", "box", ["abc", 0, 1, 1]),
        ("near_misses.0.trace.0.reason", "code", "because"),
        ("near_misses.0.trace.0.reason", "told", ["[" * 100_000]),
        ("cues.0", "at_ns", "x"),
        ("cues.0", "cue", "\x1b]0;owned\x07"),
        ("faults.0", "ended_ns", 2**70),
        ("", "marks", [2**63 + 1]),
    ],
)
def test_a_value_that_no_reader_takes_never_gets_into_the_journal(
    parcel: Parcel, place: str, name: str, value: object
) -> None:
    sent = json.loads(msgspec.json.encode(parcel))
    there = sent
    for step in place.split(".") if place else ():
        there = there[int(step)] if step.isdecimal() else there[step]
    there[name] = value
    with pytest.raises(BadInput, match=r"makes? no sense"):
        unpack(json.dumps(sent).encode())


def test_the_version_a_device_says_is_only_text(server: Server, home: Path, tmp_path: Path) -> None:
    (tmp_path / "greeting").write_bytes(
        msgspec.json.encode(Greeting("\x1b]0;owned\x07", schema.VERSION + 1, "/")) + b"\n"
    )
    old = tmp_path / "rearguard"
    old.write_text(f"#!/bin/sh\ncat {tmp_path / 'greeting'}\n")
    old.chmod(0o755)
    done = pull(server, tmp_path, home, "--command", str(old))
    assert "update rearguard here" in str(done.exception)
    assert "\x1b" not in str(done.exception)


def test_a_server_that_is_not_known_is_not_believed(server: Server, device: Path, home: Path) -> None:
    strange = server.folder / "strange"
    strange.write_text(server.config.read_text().replace(f"{server.folder}/known_hosts", os.devnull))
    done = pull(Server(server.folder, strange), device, home)
    assert isinstance(done.exception, PartFailed)
    with Journal.open(home, readonly=True) as journal:
        assert journal.outings() == []


# ── traces ──────────────────────────────────────────────────────────────────────────────────────────────


def test_traces_come_home_and_only_what_they_grew_by_comes_again(
    server: Server, device: Path, home: Path
) -> None:
    for n, key in enumerate(KEYS[:2]):
        a_trace(device, frames=90, seed=n, key=key)
    a_trace(device, frames=5, key=KEYS[5])  # of an outing that the database does not know (any more)
    whole = trace_files(device, KEYS[0])[0]
    data = whole.path.read_bytes()
    whole.path.write_bytes(data[: len(data) // 2])  # as while the outing goes on
    first = result(pull(server, device, home))
    assert first["traces"] == 2
    assert {f.key for f in trace_files(home)} == set(KEYS[:2])
    assert {f.path.stat().st_mode & 0o777 for f in trace_files(home)} == {FILE_MODE}
    whole.path.write_bytes(data)
    again = result(pull(server, device, home))
    assert (again["outings"], again["traces"], again["trace_bytes"]) == (0, 1, len(data) - len(data) // 2)
    for file in trace_files(home):
        assert file.path.read_bytes() == trace_files(device, file.key)[0].path.read_bytes()
    assert result(pull(server, device, home))["traces"] == 0


def test_traces_of_an_outing_deleted_at_home_stay_away(server: Server, device: Path, home: Path) -> None:
    a_trace(device, frames=5, key=KEYS[0])
    a_trace(device, frames=5, key=KEYS[1])
    assert result(pull(server, device, home, "--no-traces"))["traces"] == 0
    assert result(pull(server, device, home))["traces"] == 2
    purged = CliRunner().invoke(cli, ["log", "purge", "--outing", "1", "--yes", "--journal", str(home)])
    assert purged.exit_code == 0
    assert len(trace_files(home)) == 1
    assert result(pull(server, device, home))["traces"] == 0
