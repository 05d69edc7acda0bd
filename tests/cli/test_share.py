"""What leaves the house: one encounter as film or page, and a bundle for a bug report, without names."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer

from rearguard.cli.main import cli
from rearguard.config.journal import Journal as Settings
from rearguard.doctor.bundle import Names
from rearguard.journal.db import insert
from rearguard.journal.db.store import Journal
from rearguard.journal.media.clips import ClipRing
from rearguard.types import Fault, Frame


def a_journal(folder: Path, *, clips: str = "redacted", device: str = "secret-pi") -> Path:
    settings = Settings(clips=clips)  # type: ignore[arg-type]
    ring = ClipRing(settings)
    writer = a_writer(
        folder, start=a_start(device=device, source="/home/anna/run.mp4"), ring=ring, settings=settings
    )
    for n in range(30):
        image = np.full((180, 321, 3), 8 * n, np.uint8)
        while ring._waiting:
            pass
        ring.add(Frame(n, MONO_NS + 8_000_000_000 + n * 100_000_000, image))
    writer.fault(Fault.DARK, MONO_NS, MONO_NS + 2_000_000_000)
    writer.near_miss(a_near_miss(9.5, pass_m=0.4))
    assert writer.close(5)
    with Journal.open(folder) as journal, journal.transaction(durable=True) as db:
        insert.store_opinion(db, 1, note="a private word")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_a_film_plays_and_tells_nothing_private(tmp_path: Path) -> None:
    journal, film = a_journal(tmp_path / "j"), tmp_path / "near.mp4"
    done = run("share", "last", "-o", film, "--journal", journal)
    assert done.exit_code == 0, (done.output, done.exception)
    with av.open(str(film)) as container:
        pictures = [f.to_ndarray(format="bgr24") for f in container.decode(video=0)]
    assert 15 <= len(pictures) <= 30
    assert pictures[0].shape == (220, 320, 3)
    brightness = [float(p[:180].mean()) for p in pictures]
    assert brightness == sorted(brightness)  # in order
    assert float(pictures[0][185:].std()) > 5  # there is a line of numbers
    content = film.read_bytes()
    assert b"secret-pi" not in content
    assert b"anna" not in content


def test_a_page_tells_what_happened_and_not_who_where_or_when(tmp_path: Path) -> None:
    journal, page = a_journal(tmp_path / "j"), tmp_path / "near.html"
    assert run("share", 1, "-o", page, "--journal", journal).exit_code == 0
    text = page.read_text()
    for wanted in (
        "A person came close on the left",
        "0.4 m from your middle",
        "data:image/jpeg",
        "worst moment",
    ):
        assert wanted in text
    for private in ("secret-pi", "anna", "a private word", "202"):
        assert private not in text.replace("data:image/jpeg;base64", "").split("<img")[0]
    assert "a private word" not in text
    assert "secret-pi" not in text


def test_pictures_kept_as_seen_are_not_shared_by_mistake(tmp_path: Path) -> None:
    journal, film = a_journal(tmp_path / "j", clips="full"), tmp_path / "near.mp4"
    done = run("share", 1, "-o", film, "--journal", journal)
    assert "kept as seen" in str(done.exception)
    assert not film.exists()
    assert run("share", 1, "-o", film, "--as-seen", "--journal", journal).exit_code == 0


def test_without_a_clip_the_page_is_offered(tmp_path: Path) -> None:
    writer = a_writer(tmp_path / "j")
    writer.near_miss(a_near_miss())
    assert writer.close()
    done = run("share", 1, "-o", tmp_path / "near.mp4", "--journal", tmp_path / "j")
    assert "share it as a page" in str(done.exception)
    assert run("share", 1, "-o", tmp_path / "near.html", "--journal", tmp_path / "j").exit_code == 0


def test_a_bundle_holds_what_a_report_needs_and_no_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    journal, target = a_journal(tmp_path / "j"), tmp_path / "bundle.zip"
    done = run("bundle", "-o", target, "--journal", journal)
    assert done.exit_code == 0, (done.output, done.exception)
    with zipfile.ZipFile(io.BytesIO(target.read_bytes())) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(parts) == ["doctor.json", "outings.json", "settings.json", "versions.json"]
    (outing,) = json.loads(parts["outings.json"])
    assert (outing["device"], outing["source"]) == ("device-1", "a file")
    assert outing["faults"] == [{"fault": "dark", "began_s": 0.0, "ended_s": 2.0}]
    assert json.loads(parts["versions.json"])["packages"]["numpy"]
    assert {f["check"] for f in json.loads(parts["doctor.json"])} >= {"model", "journal", "config"}
    whole = "".join(parts.values())
    for private in ("secret-pi", "a private word", str(tmp_path / "anna"), socket.gethostname()):
        assert private not in whole


def test_names_are_hidden_as_whole_words_and_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "camera")
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    monkeypatch.setenv("SUDO_USER", "run")
    monkeypatch.setenv("HOME", "/home/jörg")
    content = {"camera": ["runtime of run at CAMERA.local", 3, None, "/home/jörg/a, /home/anna/b"], "n": 1.5}
    hidden = Names().hidden(content)
    assert hidden == {"camera": ["runtime of USER at MACHINE.local", 3, None, "~/a, /home/USER/b"], "n": 1.5}


def test_a_bundle_is_made_also_when_the_journal_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "j").mkdir()
    (tmp_path / "j/journal.db").write_bytes(b"no database" * 100)
    done = run("bundle", "-o", tmp_path / "bundle.zip", "--journal", tmp_path / "j")
    assert done.exit_code == 0
    assert "without the journal" in done.output
