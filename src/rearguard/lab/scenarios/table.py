"""The scenarios, one row each: the world they happen in, and what rearguard must do there.

Modelled on Euro NCAP's tests for vulnerable road users, of which reversing towards a pedestrian (CPRA/CPRC) is
the nearest kin of running backwards. Overlaps of 25, 50 and 75 % are of a body 0.5 m wide and the wearer's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from rearguard.types import Level

# CRITICAL must be felt with at least this much time left: 0.6 s to react, 0.08 s for the motor, 0.5 s to stop
# from 2.5 m/s at 2.5 m/s², and a margin.
NEEDED_LEAD_S = 1.5
# What appears with less time left than that must be warned of this soon after coming into view.
APPEARING_S = 0.7
# From capture to the judge's word, on a Pi 4 or 5: about a frame and an invocation. The judge is told of it.
LATENCY_S = 0.12

# Of what one trips over CAUTION must be felt with at least this much left: 0.6 s to react, two steps to lift the feet
# or step aside.
LOW_LEAD_S = 1.2

Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row. `must_warn`: the level `due` is due with `lead_s` left; otherwise CRITICAL must not be felt at all.

    `world` and `values` name the simulated world (`values` may depend on the wearer's speed); `boxes`: the
    detector has classes for everything in it, so that it can be run on noisy boxes; `pictures`: all in it can be drawn;
    `missed` is the share of detections lost beyond the grid's, `turn_lost` that of the frames whose turn nobody saw;
    `appears_ttc_s` the time left when it first comes into view.
    """

    name: str
    world: str
    about: str
    must_warn: bool
    values: Callable[[float], Values] = field(default=lambda _: MappingProxyType({}))
    boxes: bool = True
    pictures: bool = True
    missed: float = 0.0
    turn_lost: float = 0.0
    appears_ttc_s: Callable[[float], float] | None = None  # by the wearer's speed
    hfov_deg: float | None = None  # another camera than the configured one
    low: bool = False  # with `looming.low`, whatever is configured; the cue that is due is LOW
    goal: bool = True  # without one a failure is expected, and its reason is `about`
    due: Level = Level.CRITICAL
    lead_s: float = NEEDED_LEAD_S


def _fixed(**values: float) -> Callable[[float], Values]:
    return lambda _: MappingProxyType(values)


def _low(name: str, about: str, *, goal: bool = True) -> Scenario:
    """A row of something that one trips over."""
    world = name.lower().removeprefix("person-")
    return Scenario(name, world, about, True, boxes=False, goal=goal, due=Level.CAUTION, lead_s=LOW_LEAD_S,
                    low=True)  # fmt: skip


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("STAND-0", "stand", "someone stands in the lane", True),
    Scenario("STAND-50", "stand", "someone stands half in the lane", True, _fixed(lateral=0.45)),
    Scenario("CHILD", "stand", "a child stands in the lane", True, _fixed(child=1)),
    Scenario("CATCH-UP", "walk-away", "someone walks the same way, slower", True, lambda v: {"pace": 0.4 * v}),
    Scenario("WALK-TOWARD", "walk-toward", "someone walks towards the wearer", True),
    Scenario("RUN-TOWARD", "run-toward", "someone runs towards the wearer", True),
    Scenario("CYC-TOWARD-4.7", "cyclist", "a cyclist, 17 km/h, comes head-on", True, _fixed(pace=4.7)),
    Scenario("CYC-TOWARD-6.1", "cyclist", "a cyclist, 22 km/h, comes head-on", True, _fixed(pace=6.1)),
    Scenario("CYC-TOWARD-8.3", "cyclist", "a cyclist, 30 km/h, comes head-on", True, _fixed(pace=8.3), goal=False),
    Scenario("CROSS-NEAR-25", "cross", "someone crosses, hit a quarter", True, _fixed(lateral=-0.4)),
    Scenario("CROSS-NEAR-50", "cross", "someone crosses, hit in the middle", True, _fixed(lateral=0.0)),
    Scenario("CROSS-NEAR-75", "cross", "someone crosses, nearly through", True, _fixed(lateral=0.4)),
    Scenario("CROSS-FAR", "cross", "comes from outside the 66 deg picture", True, _fixed(pace=2.2), goal=False),
    Scenario("CROSS-FAR-WIDE", "cross", "the same with a 102 deg camera", True, _fixed(pace=2.2), hfov_deg=102.0),
    Scenario("CHILD-OBSTRUCTED", "child-obstructed", "a child steps out from cover", True, appears_ttc_s=lambda _: 2.6),
    Scenario("CUT-IN", "cut-in", "someone cuts in 4 m ahead", True, _fixed(gap=4.0), appears_ttc_s=lambda v: 4.0 / v),
    Scenario("DROP-OUT-30", "stand", "as STAND-0, a third of the detections lost", True, missed=0.3),
    Scenario("CROWD-10", "crowd", "ten people about, one in the lane", True, _fixed(blocker=1)),
    Scenario("PASS-BY-1.2", "pass-by", "someone walks past, 1.2 m beside", False, _fixed(lateral=1.2), goal=False),
    Scenario("PASS-BY-1.5", "pass-by", "someone walks past, 1.5 m beside", False, _fixed(lateral=1.5)),
    Scenario("PASS-BY-2.0", "pass-by", "someone walks past, 2 m beside", False, _fixed(lateral=2.0)),
    Scenario("WALK-AWAY", "walk-away", "someone moves away, faster", False, lambda v: {"pace": v + 1.4}),
    Scenario("SAME-SPEED", "same-speed", "someone jogs ahead as fast", False, lambda v: {"pace": v, "start": 5.0}),
    Scenario("CURVE", "curve", "on a bend, someone comes in the next lane but one", False),
    Scenario("CROWD-PASSED", "crowd", "ten people about, nobody in the lane", False),
    Scenario("OVERTAKER-1.2", "overtaker", "a runner comes past 1.2 m beside, runs away", False, _fixed(lateral=1.2)),
    Scenario("OVERTAKER-1.8", "overtaker", "a runner comes past 1.8 m beside, runs away", False, _fixed(lateral=1.8)),
    Scenario("CROSS-BEHIND-STILL", "cross-behind-still", "the wearer stands, someone crosses 2.2 m behind", False),
    Scenario("LEADER-BRAKES", "leader-brakes", "who runs ahead slows to a stop", True, appears_ttc_s=lambda _: 1.9),
    Scenario("SETS-OFF", "sets-off", "the wearer sets off", True, appears_ttc_s=lambda v: 0.35 + 2.7 / v),
    Scenario("STOP-AND-GO", "stop-and-go", "the wearer runs, stops, runs again", True),
    Scenario("BEND-20", "bend", "someone stands on a bend of 20 m radius", True, _fixed(radius=20.0)),
    Scenario("BEND-6", "bend", "someone stands on a bend of 6 m radius", True, _fixed(radius=6.0),
             appears_ttc_s=lambda v: 6.0 / v),
    Scenario("TRUNK-TURNED", "trunk-turned", "the trunk turns aside and back", True),
    Scenario("TRUNK-STAYS", "trunk-stays", "the trunk turns aside and stays so", True),
    Scenario("TRUNK-STAYS-PASSED", "trunk-stays", "the same, past somebody 1.5 m beside", False,
             _fixed(lateral=1.5), goal=False),
    Scenario("POD-ASKEW", "stand", "the camera hangs 8 degrees askew", True, _fixed(aside=8.0)),
    Scenario("POD-ASKEW-PASSED", "pass-by", "the same, past somebody 1.5 m beside", False,
             _fixed(lateral=1.5, aside=8.0)),
    Scenario("TURNS-LOST", "cross", "as CROSS-NEAR-50, one turn of the camera in seven unseen", True,
             _fixed(lateral=0.0), pictures=False, turn_lost=1 / 7),
    Scenario("TURNS-LOST-PASSED", "crowd", "as CROWD-PASSED, one turn of the camera in seven unseen", False,
             pictures=False, turn_lost=1 / 7),
    Scenario("DETECTED-1-OF-3", "stand", "found in one frame of three", True, missed=0.567, goal=False),
    Scenario("DOG-RUNS", "dog-runs", "a dog runs towards the wearer", True, pictures=False, goal=False),
    Scenario("EDGE-ENTRY", "edge-entry", "someone walks in over the edge", True, appears_ttc_s=lambda _: 3.0),
    Scenario("WALL", "wall", "a textured wall", True, boxes=False),
    Scenario("FENCE", "fence", "a mesh fence", True, boxes=False),
    Scenario("HURDLE", "hurdle", "a hurdle in the lane", True, boxes=False),
    Scenario("POST", "post", "a post in the lane", True, boxes=False),
    Scenario("GATE", "gate", "a gate across the lane", True, boxes=False),
    Scenario("POD-UP", "wall", "a wall, the camera 6 degrees further up than set up", True, _fixed(down=-6.0),
             boxes=False),
    Scenario("DUSK", "dusk", "someone comes, at dusk", True, boxes=False),
    Scenario("NIGHT-LIT", "night-lit", "someone comes, at night under floodlights", True, boxes=False),
    Scenario("GLARE", "glare", "someone comes, low sun in the lens", True, boxes=False),
    Scenario("RAIN-ON-LENS", "rain", "someone comes, drops on the lens", True, boxes=False),
    _low("BALL", "a football in the lane"),
    Scenario("POD-DOWN", "ball", "a football, the camera 6 degrees further down than set up", True, _fixed(down=6.0),
             boxes=False, low=True, due=Level.CAUTION, lead_s=LOW_LEAD_S),
    _low("BAG", "a bag 0.25 m high in the lane"),
    _low("CONE", "a cone 0.3 m high in the lane"),
    _low("PERSON-LYING", "somebody lies across the lane"),
    _low("KERB", "a kerb 0.12 m high across the lane"),
    _low("BRANCH", "a branch 0.08 m thick across the lane"),
    _low("HURDLE-FOOT", "the base of a hurdle in the lane", goal=False),
    _low("ROPE", "a rope 0.4 m high across the lane", goal=False),
    _low("STEP-DOWN", "a drop of 0.15 m across the lane", goal=False),
    Scenario("MARKED-TRACK", "marked-track", "a clear track: lines, shadows, leaves, puddles", False, boxes=False,
             low=True),
)  # fmt: skip

BY_NAME = {row.name: row for row in SCENARIOS}
