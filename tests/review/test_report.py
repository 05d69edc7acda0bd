"""`report --html`: a page that holds everything itself, also in a real browser."""

from __future__ import annotations

import base64
import re
import shutil
import stat
import subprocess
import time
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from journal_generator import generate
from journal_kit import MONO_NS, a_near_miss, a_start, a_writer

from rearguard.cli.main import cli
from rearguard.config.journal import Journal as Settings
from rearguard.errors import NotFound
from rearguard.journal.db.rows import OutingStats
from rearguard.journal.db.store import Journal
from rearguard.journal.media.clips import ClipRing
from rearguard.journal.media.snapshot import Snapshot
from rearguard.journal.paths import CLIPS
from rearguard.review.plot import Event, Sample
from rearguard.review.svg import curve
from rearguard.types import Cue, CueName, Fault, Frame, Level

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\"'&\x1b"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    for key, labels in (("0" * 16, ["person", EVIL]), ("1" * 16, ["dog"])):
        writer = a_writer(folder, start=a_start(key=key, device=EVIL, source=EVIL))
        for n, label in enumerate(labels):
            seen = a_near_miss(20.0 + 30 * n, label=label, level=Level.CRITICAL if n == 0 else Level.CAUTION)
            writer.near_miss(seen, Snapshot(image))
            writer.cue(Cue(at_ns=seen.warned_ns, cue=CueName.CAUTION))
        writer.fault(Fault.DARK, MONO_NS + 5_000_000_000, MONO_NS + 8_000_000_000)
        writer.stats(OutingStats(frames=900, worn_s=90.0))
        assert writer.close(10)
    with Journal.open(folder) as opened, opened.transaction(durable=False) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE near_miss SET verdict = ? WHERE label = ?", (EVIL, EVIL))
    return folder


def run(journal: Path, *args: str) -> Result:
    return CliRunner().invoke(cli, ["report", *args, "--journal", str(journal)])


class Reader(HTMLParser):
    """Elements, their links, and whether every tag that was opened was closed."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")
        ]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.html"
    assert run(journal, "--html", str(path)).exit_code == 0
    text = path.read_text(encoding="utf-8")
    page = Reader(text)
    assert page.open == []
    assert page.tags.count("article") == 3
    assert page.tags.count("section") == 2
    assert page.tags.count("img") == 3
    assert page.tags.count("svg") == 5
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(link.startswith(("#n", "#o", "data:image/jpeg;base64,")) for link in page.links)
    assert {link for link in page.links if link.startswith("#")} == {"#n1", "#n2", "#n3", "#o1", "#o2"}
    assert not re.search(r"https?://|@import|url\(", text)
    assert "\x1b" not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "least time to collision 1.6 s" in text
    assert "contact within 2.0 s is" in text


def test_one_outing_without_pictures(journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.html"
    assert run(journal, "--html", str(path), "--outing", "2", "--no-pictures").exit_code == 0
    page = Reader(path.read_text())
    assert (page.tags.count("article"), page.tags.count("img")) == (1, 0)


def test_nothing_fits_and_nothing_is_written(journal: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.html"
    assert isinstance(run(journal, "--html", str(path), "--outing", "99").exception, NotFound)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_picture_is_not_put_into_the_page(journal: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(journal, copy)
    for path in (copy / CLIPS).glob("*.jpg"):
        path.write_bytes(b"<svg onload=alert(1)>")
    assert run(copy, "--html", str(tmp_path / "x.html")).exit_code == 0
    assert Reader((tmp_path / "x.html").read_text()).tags.count("img") == 0


def test_in_a_real_browser(journal: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed (package chromium)")
    path = tmp_path / "all.html"
    run(journal, "--html", str(path))
    command = [
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}/profile", "--enable-logging=stderr", "--virtual-time-budget=3000",
        "--window-size=900,1400", f"--screenshot={tmp_path}/page.png", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<title>rearguard: near misses</title>" in done.stdout, "no script from the journal ran"
    assert done.stdout.count("<article") == 3
    assert "Refused to" not in done.stderr, "the page keeps to its own policy"
    assert "CONSOLE" not in done.stderr

    import cv2

    image = cv2.imread(str(tmp_path / "page.png"))
    assert image is not None
    red = (image[:, :, 2] > 180) & (image[:, :, 1] < 90) & (image[:, :, 0] < 90)
    assert red.sum() > 300, "critical stretches of the curve are drawn in red"
    assert image.std() > 10


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


def test_a_season_has_a_trend_its_devices_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    generate(folder, 60, 12, trace=5)
    assert run(folder, "--html", str(tmp_path / "season.html")).exit_code == 0
    text = (tmp_path / "season.html").read_text()
    page = Reader(text)
    assert page.open == []
    assert {f"#o{n}" for n in range(1, 13)} <= set(page.links)
    assert "<h2>By week</h2><svg" in text
    by_device = text[text.index("By device") : text.index("Contents")]
    assert by_device.count("<tr>") == 1 + 4
    counts = [
        int(n) for n in re.findall(r'</td><td class="n">(\d+)</td><td class="n">\d+</td><td', by_device)
    ]
    assert sum(counts) == 60


def test_of_very_many_only_the_most_urgent_have_pictures(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rearguard.review.page._MOST_PICTURES", 1)
    assert run(journal, "--html", str(tmp_path / "x.html")).exit_code == 0
    text = (tmp_path / "x.html").read_text()
    assert Reader(text).tags.count("img") == 1
    assert "Pictures of the 1 most urgent are in this page" in text


def test_a_clip_is_shown_as_a_strip(tmp_path: Path) -> None:
    ring = ClipRing(Settings())
    writer = a_writer(tmp_path / "j", ring=ring)
    for n in range(40):
        image = np.full((90, 160, 3), 6 * n, np.uint8)
        ring.add(Frame(n, MONO_NS + 8_000_000_000 + n * 100_000_000, image))
        time.sleep(0.01)
    writer.near_miss(a_near_miss(10.0))
    assert writer.close(5)
    assert run(tmp_path / "j", "--html", str(tmp_path / "x.html")).exit_code == 0
    text = (tmp_path / "x.html").read_text()
    (data,) = re.findall(r'class="strip"[^>]*base64,([^"]*)"', text)
    import cv2

    strip = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape[0] == 54
    brightness = [float(strip[20:30, x + 20 : x + 60].mean()) for x in range(0, strip.shape[1] - 90, 98)]
    assert len(brightness) >= 4
    assert brightness == sorted(brightness)


def test_at_least_four_near_misses_are_printed_on_a_page(tmp_path: Path) -> None:
    chromium = browser()
    folder = tmp_path / "journal"
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    writer = a_writer(folder)
    for n in range(17):
        writer.near_miss(a_near_miss(20.0 + 10 * n, pass_m=0.5, pass_sd_m=0.2), Snapshot(image)).result(10)
    assert writer.close(20)
    assert run(folder, "--html", str(tmp_path / "x.html")).exit_code == 0
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--print-to-pdf={tmp_path / 'x.pdf'}",
    ]
    subprocess.run([*command, (tmp_path / "x.html").as_uri()], capture_output=True, timeout=120, check=True)
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "x.pdf").read_bytes()))
    assert pages <= 1 + 17 / 4 + 1  # the first has the table


def test_on_a_phone_nothing_is_wider_than_the_screen(journal: Path, tmp_path: Path) -> None:
    """The browser itself says how wide the page became."""
    chromium = browser()
    assert run(journal, "--html", str(tmp_path / "x.html")).exit_code == 0
    frame = tmp_path / "frame.html"
    frame.write_text(
        '<iframe id="f" src="x.html" width="360" height="700"></iframe><script>onload = () => {'
        "const d = document.getElementById('f').contentDocument.documentElement;"
        "document.title = 'wide ' + d.scrollWidth + ' of ' + d.clientWidth; }</script>"
    )
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--dump-dom",
    ]
    done = subprocess.run([*command, frame.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"wide (\d+) of (\d+)", done.stdout)
    assert found is not None
    assert int(found[1]) <= int(found[2])


def test_names_of_cues_do_not_cover_each_other() -> None:
    samples = [Sample(t_s=-10 + i / 10, ttc_s=5.0, level=0) for i in range(101)]
    names = ["NOTICE", "CAUTION", "CAUTION", "CRITICAL", "CRITICAL", "BLIND"]
    events = [Event(-4.0 + i / 4, name) for i, name in enumerate(names)]
    drawn = curve(samples, [("CRITICAL", 2.0)], events)
    assert drawn.count('class="cue"') == drawn.count("<title>") == len(events)
    told = re.findall(r'<text x="([\d.]+)" y="(\d+)" text-anchor="start">(\w+)</text>', drawn)
    assert [name for *_, name in told][:2] == ["NOTICE", "CAUTION"]
    for row in {y for _, y, _ in told}:
        places = [(float(x), float(x) + 7 * len(name)) for x, y, name in told if y == row]
        assert all(a[1] <= b[0] for a, b in pairwise(places))
