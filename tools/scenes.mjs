// Makes a folder of questions about scenes for a pruned model to learn from, in VQAonline's record format, from fixtures/scenes/recovery.json.gz.
//
//   node tools/scenes.mjs OUT [--pictures 2000]
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";

// The engine's image library.
const sharp = createRequire(new URL("../packages/engine/package.json", import.meta.url))("sharp");

const SIDE = 112;
/** Points a pixel is averaged over, in each direction. */
const SMOOTHING = 3;

/** Corners as turns clockwise from the top, and lengths in radii. */
const outlines = {
  square: [0.125, 0.375, 0.625, 0.875].map((turn) => [turn, 1.15]),
  diamond: [1.1, 0.68, 1.1, 0.68].map((length, n) => [n / 4, length]),
  triangle: [0, 1, 2].map((n) => [n / 3, 1.12]),
  star: Array.from({ length: 10 }, (_, n) => [n / 10, n % 2 === 0 ? 1.12 : 0.46]),
  cross: Array.from({ length: 12 }, (_, n) => {
    const [tip, dent] = [Math.sqrt(1 + 1 / 9) * 0.95, Math.sqrt(2 / 9) * 0.95];
    const arm = Math.floor(n / 3) / 4;
    return [
      [arm - 0.0512, tip],
      [arm + 0.0512, tip],
      [arm + 0.125, dent],
    ][n % 3];
  }),
};

/** Whether a point lies in a shape. */
function insideOf(shape, x, y, radius, angle) {
  if (shape === "circle") return (px, py) => Math.hypot(px - x, py - y) <= 0.9 * radius;
  const corners = outlines[shape].map(([turn, length]) => {
    const direction = turn * 2 * Math.PI + angle;
    return [x + radius * length * Math.sin(direction), y - radius * length * Math.cos(direction)];
  });
  return (px, py) => {
    let inside = false;
    for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
      const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
      if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  };
}

/** An RGB picture of 112 × 112. */
function render({ background, things }, shapes) {
  const side = SIDE * SMOOTHING;
  const large = new Uint8Array(side * side * 3);
  for (let i = 0; i < large.length; i++) large[i] = background[i % 3];
  for (const [shape, x, y, radius, angle, ...colour] of things) {
    const isInside = insideOf(shapes[shape], x, y, radius, angle);
    const reach = 1.2 * radius;
    const [left, right] = [x - reach, x + reach].map((at) => Math.round(at * SMOOTHING));
    const [top, bottom] = [y - reach, y + reach].map((at) => Math.round(at * SMOOTHING));
    for (let row = Math.max(0, top); row < Math.min(side, bottom); row++) {
      for (let column = Math.max(0, left); column < Math.min(side, right); column++) {
        if (isInside((column + 0.5) / SMOOTHING, (row + 0.5) / SMOOTHING))
          large.set(colour, (row * side + column) * 3);
      }
    }
  }
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [pixel, channel] = [Math.floor(i / 3), i % 3];
    const [row, column] = [Math.floor(pixel / SIDE), pixel % SIDE];
    let sum = 0;
    for (let n = 0; n < SMOOTHING ** 2; n++) {
      const at = (row * SMOOTHING + Math.floor(n / SMOOTHING)) * side + column * SMOOTHING + (n % SMOOTHING);
      sum += large[at * 3 + channel];
    }
    pixels[i] = Math.round(sum / SMOOTHING ** 2);
  }
  return pixels;
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { pictures: { type: "string", default: "2000" } },
});
const [folder] = positionals;
const count = Number(values.pictures);
if (folder === undefined || !Number.isInteger(count) || count < 1) {
  console.error("usage: node tools/scenes.mjs OUT [--pictures 2000]");
  process.exit(2);
}
const file = new URL("../fixtures/scenes/recovery.json.gz", import.meta.url);
const { seed, shapes, pictures } = JSON.parse(gunzipSync(await readFile(file)).toString());
await mkdir(join(folder, "images"), { recursive: true });
const records = [];
for (const [n, picture] of pictures.slice(0, count).entries()) {
  const image = `recovery_${String(n).padStart(4, "0")}.png`;
  await sharp(render(picture, shapes), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toFile(join(folder, "images", image));
  for (const [topic, question, answer] of picture.questions)
    records.push({ image, question, context: "", answer, topic, url: `scene:${seed}/${n}` });
}
await writeFile(join(folder, "recovery.json"), `${JSON.stringify(records, null, 1)}\n`);
console.log(`${folder}: ${records.length} questions about ${Math.min(count, pictures.length)} pictures`);
