"""Scenes: up to six flat shapes on a plain background, each in its own cell of a grid of three by three.

A scene is drawn three times as large as it is shown and averaged down, so that edges are smooth. Places within a cell, radii, angles and
tints vary, so that no two pictures of the same description are alike.
"""

from dataclasses import dataclass
from math import cos, pi, sin
from random import Random

from PIL import Image, ImageDraw

SIDE = 112
GRID = 3
SMOOTHING = 3

SHAPES = ("circle", "cross", "diamond", "square", "star", "triangle")
COLOURS = {
    "red": (214, 36, 36),
    "orange": (245, 140, 20),
    "yellow": (250, 225, 40),
    "green": (40, 150, 60),
    "blue": (40, 90, 225),
    "purple": (135, 45, 170),
    "pink": (250, 150, 190),
    "brown": (120, 72, 35),
}
BACKGROUNDS = {"white": (248, 248, 248), "grey": (150, 154, 158), "black": (14, 14, 18)}
RADII = {"small": (7.0, 8.5), "large": (13.5, 15.5)}


@dataclass(frozen=True)
class Thing:
    shape: str
    colour: str
    size: str
    row: int
    column: int


@dataclass(frozen=True)
class Scene:
    background: str
    things: tuple[Thing, ...]  # by row, then by column


def random_scene(rng: Random) -> Scene:
    """Two to six things; half of the scenes have few kinds, so that there is something to count."""
    count = rng.randint(2, 6)
    shapes, colours = list(SHAPES), list(COLOURS)
    if rng.random() < 0.5:
        shapes = rng.sample(shapes, rng.randint(1, 3))
    if rng.random() < 0.5:
        colours = rng.sample(colours, rng.randint(1, 3))
    cells = sorted(rng.sample(range(GRID * GRID), count))
    things = [
        Thing(rng.choice(shapes), rng.choice(colours), rng.choice(list(RADII)), cell // GRID, cell % GRID)
        for cell in cells
    ]
    return Scene(rng.choice(list(BACKGROUNDS)), tuple(things))


@dataclass(frozen=True)
class Drawn:
    """A thing as it is drawn: centre and radius in pixels, angle in radians."""

    shape: str
    x: float
    y: float
    radius: float
    angle: float
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Layout:
    background: tuple[int, int, int]
    things: tuple[Drawn, ...]


def laid_out(scene: Scene, rng: Random) -> Layout:
    """Where and how the things are drawn."""
    background = _tinted(BACKGROUNDS[scene.background], rng, 4)
    cell = SIDE / GRID
    things = []
    for thing in scene.things:
        radius = rng.uniform(*RADII[thing.size])
        # No further than this, so that even a small one plainly lies in its cell.
        free = min(6, cell / 2 - radius - 1)
        x = (thing.column + 0.5) * cell + rng.uniform(-free, free)
        y = (thing.row + 0.5) * cell + rng.uniform(-free, free)
        angle = rng.uniform(-0.12, 0.12)
        things.append(Drawn(thing.shape, x, y, radius, angle, _tinted(COLOURS[thing.colour], rng, 10)))
    return Layout(background, tuple(things))


def render(scene: Scene, rng: Random) -> Image.Image:
    """An RGB picture of 112 × 112."""
    layout = laid_out(scene, rng)
    large = Image.new("RGB", (SIDE * SMOOTHING, SIDE * SMOOTHING), layout.background)
    draw = ImageDraw.Draw(large)
    for thing in layout.things:
        _draw(draw, thing.shape, thing.x * SMOOTHING, thing.y * SMOOTHING, thing.radius * SMOOTHING, thing.angle, thing.colour)
    return large.reduce(SMOOTHING)


def _tinted(colour: tuple[int, int, int], rng: Random, most: int) -> tuple[int, int, int]:
    return tuple(min(255, max(0, part + rng.randint(-most, most))) for part in colour)


def _draw(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float, angle: float, colour) -> None:
    if shape == "circle":
        draw.ellipse([x - radius * 0.9, y - radius * 0.9, x + radius * 0.9, y + radius * 0.9], fill=colour)
        return
    corners = [
        (x + radius * length * sin(turn * 2 * pi + angle), y - radius * length * cos(turn * 2 * pi + angle))
        for turn, length in _OUTLINES[shape]
    ]
    draw.polygon(corners, fill=colour)


def _cross() -> list[tuple[float, float]]:
    """Turns and lengths of a plus sign's twelve corners: arms a third as wide as they are long together."""
    tip, dent = (1 + 1 / 9) ** 0.5 * 0.95, (2 / 9) ** 0.5 * 0.95
    off = 0.0512  # atan(1/3) in turns
    return [part for arm in range(4) for part in [(arm / 4 - off, tip), (arm / 4 + off, tip), (arm / 4 + 0.125, dent)]]


# Corners as (turns clockwise from the top, length in radii).
_OUTLINES = {
    "square": [(turn / 4 + 0.125, 1.15) for turn in range(4)],
    "diamond": [(0, 1.1), (0.25, 0.68), (0.5, 1.1), (0.75, 0.68)],
    "triangle": [(turn / 3, 1.12) for turn in range(3)],
    "star": [(turn / 10, 1.12 if turn % 2 == 0 else 0.46) for turn in range(10)],
    "cross": _cross(),
}
