"""Pictures as a lens that bends lines would take them, drawn ray by ray."""

from __future__ import annotations

import cv2
import numpy as np

from rearguard.camera.lens import Calibration

FISHEYE = Calibration(
    model="fisheye", width_px=960, height_px=540, fx_px=420.0, fy_px=420.0, cx_px=486.0, cy_px=262.0,
    distortion=(0.03, 0.02, -0.012, 0.003),
)  # fmt: skip
BARREL = Calibration(
    model="pinhole", width_px=960, height_px=540, fx_px=560.0, fy_px=560.0, cx_px=470.0, cy_px=280.0,
    distortion=(-0.22, 0.05, 0.001, -0.0015, 0.0),
)  # fmt: skip


def rays_of(lens: Calibration) -> np.ndarray:
    """The ray (x, y at distance 1) of every pixel's middle: (rows * columns, 2)."""
    ys, xs = np.mgrid[0 : lens.height_px, 0 : lens.width_px]
    return lens.rays(np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float64))


def bent(image: np.ndarray, focal_px: float, lens: Calibration) -> np.ndarray:
    """What `lens` would have seen of what a pinhole of `focal_px`, axis in the middle, drew as `image`."""
    rays = rays_of(lens)
    height, width = image.shape[:2]
    at = (rays * focal_px + np.array([width / 2, height / 2])).astype(np.float32)
    at = at.reshape(lens.height_px, lens.width_px, 2)
    return cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def board_views(board: np.ndarray, lens: Calibration, count: int, seed: int = 0) -> list[np.ndarray]:
    """Pictures of a flat board held about: near the corners, tilted, near and far."""
    rng = np.random.default_rng(seed)
    rays = rays_of(lens)
    rays = np.concatenate([rays, np.ones((len(rays), 1))], axis=1)
    found = []
    wide = 0.4  # the board is so wide, in metres
    metres = wide / board.shape[1]
    for n in range(count):
        reach = np.tan(np.radians(0.33 * lens.hfov_deg))
        place = np.array(
            [[-1, -1], [1, -1], [1, 1], [-1, 1], [0, 0], [0, -1], [1, 0], [0, 1], [-1, 0]][n % 9]
        )
        z = rng.uniform(0.3, 0.5)
        centre = np.array([place[0] * reach * z * 0.9, place[1] * reach * z * 0.5, z])
        turn = cv2.Rodrigues(rng.uniform(-0.45, 0.45, 3) * [1, 1, 0.6])[0]
        normal = turn[:, 2]
        distance = (centre @ normal) / (rays @ normal)
        local = (rays * distance[:, None] - centre) @ turn
        at = (local[:, :2] / metres + np.array([board.shape[1], board.shape[0]]) / 2).astype(np.float32)
        at[distance <= 0] = -1e4
        at = at.reshape(lens.height_px, lens.width_px, 2)
        drawn = cv2.remap(
            board, at[..., 0], at[..., 1], cv2.INTER_AREA, borderMode=cv2.BORDER_CONSTANT, borderValue=200
        )
        drawn = np.clip(cv2.GaussianBlur(drawn, (3, 3), 0) + rng.normal(0, 2, drawn.shape), 0, 255).astype(
            np.uint8
        )
        found.append(cv2.cvtColor(drawn, cv2.COLOR_GRAY2BGR))
    return found
