import { uniformNumbers } from "../generate/sample.ts";
import type { RgbImage } from "../images/rgb-image.ts";

const SIDE = 224;
/** Random numbers that a picture takes at most, but for noise. */
const NUMBERS = 4096;

type Random = () => number;
type Paint = (x: number, y: number) => readonly [number, number, number];

/** A picture from a number alone: shapes, a gradient, noise, or strokes like those of a text. The same number gives the same picture. */
export function madePicture(seed: number): RgbImage {
  const numbers = uniformNumbers(seed, NUMBERS);
  let next = 0;
  const random = () => numbers[next++ % NUMBERS] as number;
  const kinds = [shapes, gradient, noise, strokes] as const;
  const paint = (kinds[seed % kinds.length] ?? shapes)(random);
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) data.set(paint(x / SIDE, y / SIDE), (y * SIDE + x) * 3);
  }
  return { width: SIDE, height: SIDE, data };
}

function colour(random: Random): readonly [number, number, number] {
  const level = () => Math.floor(256 * random());
  return [level(), level(), level()];
}

/** Circles and rectangles on a plain ground. */
function shapes(random: Random): Paint {
  const ground = colour(random);
  const all = Array.from({ length: 2 + Math.floor(4 * random()) }, () => ({
    isCircle: random() < 0.5,
    x: random(),
    y: random(),
    width: 0.06 + 0.2 * random(),
    height: 0.06 + 0.2 * random(),
    fill: colour(random),
  })).reverse();
  return (x, y) => {
    const hit = all.find((shape) => {
      const [dx, dy] = [(x - shape.x) / shape.width, (y - shape.y) / shape.height];
      return shape.isCircle ? dx * dx + dy * dy < 1 : Math.abs(dx) < 1 && Math.abs(dy) < 1;
    });
    return hit?.fill ?? ground;
  };
}

/** From one colour to another, along some direction. */
function gradient(random: Random): Paint {
  const [from, to] = [colour(random), colour(random)];
  const [across, down] = [random() - 0.5, random() - 0.5];
  const length = Math.abs(across) + Math.abs(down) + 1e-3;
  return (x, y) => {
    const share = 0.5 + (across * (x - 0.5) + down * (y - 0.5)) / length;
    const mixed = (i: number) => Math.round((from[i] as number) * (1 - share) + (to[i] as number) * share);
    return [mixed(0), mixed(1), mixed(2)];
  };
}

/** Grains of many sizes around a colour. */
function noise(random: Random): Paint {
  const ground = colour(random);
  const sides = [4, 16, 48].map((side) => ({
    side,
    levels: Float32Array.from({ length: side * side }, () => random() - 0.5),
  }));
  return (x, y) => {
    const grain = sides.reduce(
      (sum, { side, levels }) => sum + (levels[Math.floor(y * side) * side + Math.floor(x * side)] as number),
      0,
    );
    const level = (i: number) => Math.min(255, Math.max(0, Math.round((ground[i] as number) + 110 * grain)));
    return [level(0), level(1), level(2)];
  };
}

/** Lines of short strokes on a light ground, as a page of writing seen from afar. */
function strokes(random: Random): Paint {
  const lines = 4 + Math.floor(8 * random());
  const letters = 10 + Math.floor(20 * random());
  const inked = colour(random).map((level) => level / 3) as [number, number, number];
  const ground = colour(random).map((level) => 200 + level / 5) as [number, number, number];
  /** Of each letter, which of its 3 × 5 cells have ink. */
  const cells = Array.from({ length: lines * letters }, () => {
    const isBlank = random() < 0.18;
    return isBlank ? 0 : Math.floor(random() * 2 ** 15);
  });
  return (x, y) => {
    const [line, letter] = [Math.floor(y * lines), Math.floor(x * letters)];
    const [column, row] = [Math.floor((x * letters - letter) * 4), Math.floor((y * lines - line) * 7) - 1];
    const isInk =
      column < 3 &&
      row >= 0 &&
      row < 5 &&
      (((cells[line * letters + letter] as number) >> (row * 3 + column)) & 1) === 1;
    return isInk ? inked : ground;
  };
}
