"""`pull` with ssh as people have it set up: whatever their configuration says, it ends, and says what is wrong."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import a_near_miss, a_start, a_writer
from ssh_kit import REARGUARD, Server, start

from rearguard.cli.main import cli
from rearguard.errors import BadInput, PartFailed
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS
from rearguard.review import remote, ssh_words
from rearguard.review.through_shell import receive


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("device") / "on the device"
    writer = a_writer(folder, start=a_start(key=f"{7:016x}", device="pi"))
    image = np.random.default_rng(1).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    writer.near_miss(a_near_miss(), Snapshot(image))
    assert writer.close(10)
    return folder


_ONLY_SFTP = 'command="case $SSH_ORIGINAL_COMMAND in *sftp*) {then};; esac; eval \\"$SSH_ORIGINAL_COMMAND\\""'


def config(server: Server, tmp_path: Path, extra: str = "", **changes: str) -> Path:
    text = server.config.read_text()
    for old, new in changes.items():
        text = "\n".join(
            f"  {old} {new}" if line.strip().startswith(f"{old} ") else line for line in text.splitlines()
        )
    (tmp_path / "config").write_text(f"{text}\n{extra}\n")
    return tmp_path / "config"


def pull(config: Path, device: Path | str, home: Path, *more: str, host: str = "device") -> Result:
    options = ["-F", str(config), "--command", REARGUARD, "--remote-journal", str(device)]
    return CliRunner().invoke(cli, ["pull", host, *options, "--journal", str(home), *more])


def same_files(there: Path, here: Path) -> bool:
    """Whether all pictures and clips of the device are here."""
    files = {path.name: path.read_bytes() for path in (there / CLIPS).iterdir()}
    return bool(files) and files == {path.name: path.read_bytes() for path in (here / CLIPS).iterdir()}


@pytest.mark.parametrize("extra", [
    "  RequestTTY force",
    "  RemoteCommand tmux attach",
    "  RequestTTY yes\n  RemoteCommand sleep 99",
    "  ForwardX11 yes\n  ForwardX11Trusted yes\n  ForwardAgent yes",
    "  ControlMaster auto\n  ControlPath {folder}/cm-%C\n  ControlPersist 60",
    "  ControlMaster yes\n  ControlPath {folder}/cm-%C",
    "  ControlPath /nowhere/at/all",
    "  LocalForward 127.0.0.1:1 127.0.0.1:1\n  ExitOnForwardFailure yes",
    "  PermitLocalCommand yes\n  LocalCommand echo hello",
    "  VisualHostKey yes\n  LogLevel DEBUG",
    "  StdinNull yes",
    "  ForkAfterAuthentication yes",
    "  SessionType none",
    "  LogLevel QUIET\n  Compression yes\n  EscapeChar none",
], ids=lambda e: e.split("\n")[0].strip())  # fmt: skip
def test_pull_ends_and_brings_all(server: Server, device: Path, tmp_path: Path, extra: str) -> None:
    began = time.monotonic()
    done = pull(config(server, tmp_path, extra.format(folder=tmp_path)), device, tmp_path / "home")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "1 outing with 1 near miss," in done.output
    assert len(list((tmp_path / "home" / CLIPS).iterdir())) >= 1
    assert time.monotonic() - began < 60
    assert not list(tmp_path.glob("cm-*"))


def test_folders_may_be_called_anything(server: Server, device: Path, tmp_path: Path) -> None:
    name = """-it's *[a]? \\ "q" $(touch x); #ünï"""
    shutil.copytree(device, tmp_path / name)
    done = pull(server.config, tmp_path / name, tmp_path / f"home {name}")
    assert done.exit_code == 0, (done.output, done.exception)
    assert same_files(device, tmp_path / f"home {name}")
    assert not done.stderr  # by sftp


def test_a_shell_that_greets_is_passed_over(server: Server, device: Path, tmp_path: Path) -> None:
    server.authorise(
        'command="echo Welcome to pi; printf \'have {fun}> \'; eval \\"$SSH_ORIGINAL_COMMAND\\"; echo bye"'
    )
    try:
        done = pull(server.config, device, tmp_path / "home", "--no-pictures", "--no-traces")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "1 outing with 1 near miss," in done.output
        pictures = pull(server.config, device, tmp_path / "home")
        assert pictures.exit_code == 0, (pictures.output, pictures.exception)
        assert "prints a greeting, on which sftp breaks" in pictures.stderr
        assert same_files(device, tmp_path / "home")
    finally:
        server.authorise()


def test_without_sftp_it_says_so(device: Path, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    bare, process = start(tmp_path / "ssh", sftp=False)
    try:
        begun = min((device / CLIPS).iterdir())  # cut in the middle the last time: it goes on from there
        (tmp_path / "home" / "incoming").mkdir(parents=True)
        (tmp_path / "home" / "incoming" / begun.name).write_bytes(begun.read_bytes()[:1000])
        done = pull(bare.config, device, tmp_path / "home")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "openssh-sftp-server" in done.stderr
        assert same_files(device, tmp_path / "home")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("step", [1, 7, 4096])
def test_files_through_a_shell_are_told_from_what_it_prints(tmp_path: Path, step: int) -> None:
    sent = b"Welcome!\n\nTOKEN\n5 a\nab\ncd3 b\nTOK0 c\nTOKEN\nlogout\n"

    def given(data: bytes) -> bool:
        parts = iter([data[i : i + step] for i in range(0, len(data), step)])
        return receive(lambda: next(parts, b""), "TOKEN", {"a", "b", "c"}, tmp_path, lambda: None)

    assert given(sent)
    assert (tmp_path / "a").read_bytes() == b"ab\ncd"
    assert (tmp_path / "b").read_bytes() == b"TOK"
    assert not given(sent[:-20])
    assert not given(b"Welcome!\n")
    for hostile in (
        b"\nTOKEN\n5 ../a\nabcde",
        b"\nTOKEN\n-1 a\n",
        b"\nTOKEN\n" + b"1" * 9000,
        b"x" * 3_000_000,
    ):
        with pytest.raises(BadInput):
            given(hostile)


def test_an_sftp_that_is_not_installed_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    server.authorise(_ONLY_SFTP.format(then="exit 127"))
    try:
        done = pull(server.config, device, tmp_path / "home")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "openssh-sftp-server" in done.stderr
        assert same_files(device, tmp_path / "home")
    finally:
        server.authorise()


def test_a_shell_that_prints_for_ever_is_left(server: Server, device: Path, tmp_path: Path) -> None:
    server.authorise('command="yes welcome"')
    try:
        done = pull(server.config, device, tmp_path / "home")
        assert "prints without end" in str(done.exception)
    finally:
        server.authorise()


def test_silence_has_a_limit(
    server: Server, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SILENT_S", 1.5)
    server.authorise('command="sleep 99"')
    try:
        began = time.monotonic()
        done = pull(server.config, device, tmp_path / "home")
        assert "nothing has come from there" in str(done.exception)
        assert time.monotonic() - began < 20
    finally:
        server.authorise()


@pytest.mark.parametrize("mark", ["echo .", "printf ."])
def test_a_shell_that_only_ever_prints_other_things_is_left(
    server: Server, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    monkeypatch.setattr(remote, "_SILENT_S", 1.5)
    server.authorise(f'command="while {mark}; do sleep 0.1; done"')
    try:
        done = pull(server.config, device, tmp_path / "home")
        assert "does not come to the point" in str(done.exception)
    finally:
        server.authorise()
    parts = iter(lambda: b"." if time.sleep(0.05) is None else b"", b"")
    with pytest.raises(BadInput, match="without end"):
        receive(lambda: next(parts), "TOKEN", set(), tmp_path, lambda: None, greets_s=0.3)


def test_pictures_that_stop_coming_have_a_limit(
    server: Server, device: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.authorise(_ONLY_SFTP.format(then="sleep 99"))
    real = remote.Remote.fetch

    def impatient(*args: object, **named: object) -> None:
        monkeypatch.setattr(remote, "_SILENT_S", 1.5)
        real(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(remote.Remote, "fetch", impatient)
    try:
        done = pull(server.config, device, tmp_path / "home")
        assert "no more of the pictures has come" in str(done.exception)
    finally:
        server.authorise()


def test_a_key_that_changed_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    place = (server.folder / "known_hosts").read_text().split()[0]
    (tmp_path / "known").write_text(f"{place} {(tmp_path / 'other.pub').read_text()}")
    done = pull(config(server, tmp_path, UserKnownHostsFile=f"{tmp_path}/known"), device, tmp_path / "home")
    assert "host key has changed" in str(done.exception)
    assert "ssh-keygen -R" in str(done.exception)


def test_a_machine_nobody_confirmed_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    done = pull(config(server, tmp_path, UserKnownHostsFile="/dev/null"), device, tmp_path / "home")
    assert "not known here yet: run `ssh device` once" in str(done.exception)


def test_no_key_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "mine")], check=True)
    done = pull(config(server, tmp_path, IdentityFile=f"{tmp_path}/mine"), device, tmp_path / "home")
    assert "ssh-copy-id device" in str(done.exception)


def test_a_key_file_that_all_can_read_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    key = tmp_path / "loose"
    key.write_bytes((server.folder / "user").read_bytes())
    key.chmod(0o644)
    done = pull(config(server, tmp_path, IdentityFile=str(key)), device, tmp_path / "home")
    assert "chmod 600" in str(done.exception)


@pytest.mark.parametrize(("changes", "told"), [
    ({"Port": "1"}, "is ssh switched on there"),
    ({"HostName": "no-such-host.invalid"}, "no machine of this name"),
], ids=["refused", "no name"])  # fmt: skip
def test_what_cannot_be_reached_says_why(
    server: Server, device: Path, tmp_path: Path, changes: dict[str, str], told: str
) -> None:
    done = pull(config(server, tmp_path, **changes), device, tmp_path / "home")
    assert isinstance(done.exception, PartFailed)
    assert told in str(done.exception)
    assert "\n" not in str(done.exception)


def test_a_mistake_in_the_configuration_is_told_as_that(server: Server, device: Path, tmp_path: Path) -> None:
    done = pull(config(server, tmp_path, "  Prot 22"), device, tmp_path / "home")
    assert "your ssh configuration has a mistake" in str(done.exception)


def test_what_rearguard_said_there_is_passed_on(server: Server, tmp_path: Path) -> None:
    done = pull(server.config, tmp_path / "nothing here", tmp_path / "home")
    assert "rearguard failed there" in str(done.exception)
    assert "nothing here" in str(done.exception)


def test_no_rearguard_there(server: Server, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    for command, told in (
        (text, "no program that may be run"),
        ("/no/rearguard", "say where with --command"),
    ):
        options = ["-F", str(server.config), "--journal", str(tmp_path / "home"), "--command", str(command)]
        assert told in str(CliRunner().invoke(cli, ["pull", "device", *options]).exception)


def test_a_rearguard_that_is_too_old_is_told_as_that(server: Server, tmp_path: Path) -> None:
    old = tmp_path / "rearguard"
    old.write_text("#!/bin/sh\necho \"Error: No such command 'sync'.\" >&2\nexit 2\n")
    old.chmod(0o755)
    options = ["-F", str(server.config), "--journal", str(tmp_path / "home"), "--command", str(old)]
    assert "too old to be pulled from" in str(CliRunner().invoke(cli, ["pull", "device", *options]).exception)


@pytest.mark.parametrize(("does", "told"), [
    ("/usr/sbin/nologin", "may not run commands"),
    ("internal-sftp", "may only copy files"),
    ("echo open terminal failed: not a terminal >&2; exit 1", "wants a terminal"),
    ("true", "does not answer as rearguard does"),
    ("kill -9 $$", "without a word; run it again"),
], ids=lambda w: w.split()[0])  # fmt: skip
def test_an_account_that_runs_no_command_is_told_as_that(
    server: Server, device: Path, tmp_path: Path, does: str, told: str
) -> None:
    server.authorise(f'command="{does}"')
    try:
        done = pull(server.config, device, tmp_path / "home")
        assert told in str(done.exception)
        assert "\n" not in str(done.exception)
    finally:
        server.authorise()


@pytest.mark.parametrize(("said", "told"), [
    ("kex_exchange_identification: banner line contains invalid characters", "no ssh server of today"),
    ("Protocol major versions differ: 2 vs. 1", "no ssh server of today"),
    ("Bad packet length 1349676916.", "no ssh server of today"),
    ("kex_exchange_identification: Connection closed by remote host", "hangs up at once"),
])  # fmt: skip
def test_what_is_no_ssh_server_is_told_as_that(said: str, told: str) -> None:
    assert told in (ssh_words.meaning("pi", 2222, said) or "")


def test_a_full_disk_is_told_as_that() -> None:
    said = 'Couldn\'t write to "/home/me/clips/a.avi": No space left on device\n'
    assert "disk is full" in str(ssh_words.meaning("pi", None, said))


# ── where to ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("word", "host", "port"), [
    ("pi", "pi", None),
    ("runner@pi.local", "runner@pi.local", None),
    ("pi:2222", "pi", 2222),
    ("runner@pi:2222", "runner@pi", 2222),
    ("ssh://runner@pi:2222", "runner@pi", 2222),
    ("ssh://pi", "pi", None),
    ("SSH://pi/", "pi", None),
    ("[fe80::1%eth0]:22", "fe80::1%eth0", 22),
    ("runner@[::1]", "runner@::1", None),
    ("fe80::1", "fe80::1", None),
    ("anna@home@pi:22", "anna@home@pi", 22),
])  # fmt: skip
def test_destinations_as_people_write_them(word: str, host: str, port: int | None) -> None:
    assert ssh_words.destination(word) == (host, port)


@pytest.mark.parametrize("word", [
    "", "-oProxyCommand=x", "a b", "a\nb", "pi:", "pi:0", "pi:70000", "pi:/home/pi", "pi:ssh", "ssh://", "ssh://pi/home",
    "http://pi", "@pi", "ssh://-x", "runner@-x", "[::1]:x", "pi:22x",
])  # fmt: skip
def test_what_is_no_destination_is_one_line(word: str) -> None:
    with pytest.raises(BadInput) as e:
        ssh_words.destination(word)
    assert "\n" not in str(e.value)


def test_a_port_and_a_user_in_the_word_reach_the_server(server: Server, device: Path, tmp_path: Path) -> None:
    lines = dict(line.split(None, 1) for line in server.config.read_text().splitlines())
    anyone = "\n".join(
        f"  {k} {v}" for k, v in lines.items() if k not in ("Host", "Port", "User", "HostName")
    )
    (tmp_path / "config").write_text(f"Host *\n{anyone}\n")
    for word in (f"ssh://{lines['User']}@127.0.0.1:{lines['Port']}", f"127.0.0.1:{lines['Port']}"):
        done = pull(tmp_path / "config", device, tmp_path / word.replace("/", ""), host=word)
        assert done.exit_code == 0, (done.output, done.exception)
        assert "1 outing with" in done.output


@pytest.mark.parametrize(("word", "shell"), [
    ("~/journal of mine", "~/'journal of mine'"), ("~", "~"), ("~anna/j", "~anna/j"), ("a~b", "a~b"),
    ("~;rm", "'~;rm'"), ("$HOME", "'$HOME'"),
])  # fmt: skip
def test_a_tilde_is_the_home_there(word: str, shell: str) -> None:
    quoted = ssh_words.quoted(word)
    home = subprocess.run(
        ["sh", "-c", f"printf %s {quoted}"], capture_output=True, text=True, check=True
    ).stdout
    wanted = subprocess.run(
        ["sh", "-c", f"printf %s {shell}"], capture_output=True, text=True, check=True
    ).stdout
    assert home == wanted


def test_a_journal_in_the_home_there(server: Server, device: Path, tmp_path: Path) -> None:
    server.authorise(f'command="HOME={str(device.parent)!r}; export HOME; eval \\"$SSH_ORIGINAL_COMMAND\\""')
    try:
        done = pull(server.config, f"~/{device.name}", tmp_path / "home", "--no-pictures", "--no-traces")
        assert done.exit_code == 0, (done.output, done.exception)
        assert "1 outing with" in done.output
    finally:
        server.authorise()
