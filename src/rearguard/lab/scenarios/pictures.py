"""What failing runs looked like: the world drawn at the moment it failed, with the ground truth boxed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2

from rearguard.config import Config
from rearguard.ego.pinhole import Pinhole
from rearguard.journal.media.jpeg import to_jpeg
from rearguard.lab.scenarios.grid import CellResult
from rearguard.lab.scenarios.run import Cell, scene_values
from rearguard.lab.scenarios.table import BY_NAME
from rearguard.lab.world import catalogue
from rearguard.lab.world.photo_looks import PhotoLooks
from rearguard.lab.world.render import Renderer

MOST = 60  # a picture takes a good part of a second
_WIDTH_PX, _HEIGHT_PX = 640, 360


def pictures(cells: Sequence[CellResult], config: Config, photos: str = "") -> dict[tuple[int, int], bytes]:
    """JPEGs of the failing runs that are named, by the places of cell and run.

    At most `MOST`: those of cells that failed come before those of cells that passed, each cell's first before others.
    """
    named = [
        (cell.passed, run, place, failing.moment_s)
        for place, cell in enumerate(cells)
        for run, failing in enumerate(cell.failing)
    ]
    found: dict[tuple[int, int], bytes] = {}
    for _, run, place, moment_s in sorted(named, key=lambda one: one[:3]):
        if moment_s is None or len(found) >= MOST:
            continue
        cell = cells[place]
        folder = photos if cell.fidelity == "photo" else ""
        found[place, run] = _picture(cell, cell.failing[run].seed, moment_s, config, folder)
    return found


def _picture(cell: CellResult, seed: int, at_s: float, config: Config, photos: str) -> bytes:
    scenario = BY_NAME[cell.scenario]
    of = Cell(cell.scenario, cell.speed_m_s, cell.fps, cell.noise, cell.gait, cell.fidelity, cell.gyro)
    camera = config.camera
    lens = Pinhole.from_fov(_WIDTH_PX, _HEIGHT_PX, scenario.hfov_deg or camera.hfov_deg)
    scene = catalogue.scene(scenario.world, **scene_values(of, seed))
    looks = PhotoLooks(photos, scene.seed) if photos else None
    image, truth = Renderer(scene, lens, camera.height_m, math.radians(camera.pitch_deg), looks).frame(
        at_s, 0
    )
    for thing in truth:
        if thing.box is not None:
            corners = [round(v) for v in (thing.box.x0, thing.box.y0, thing.box.x1, thing.box.y1)]
            cv2.rectangle(image, (corners[0], corners[1]), (corners[2], corners[3]), (0, 190, 255), 2)
    return to_jpeg(image, 75)
