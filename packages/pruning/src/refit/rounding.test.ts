import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type RoundingGrid, roundingUnder } from "@vlmopt/pruning";
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.unstubAllEnvs();
});

interface Golden {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly inputs: string;
  readonly weight: string;
  readonly scales: string;
  readonly zeros: string;
  readonly nearest: number;
  readonly error: number;
  readonly codes: string;
}

/** Of tools/reference/pruning_rounding.py: what llm-compressor made. */
const goldens: readonly Golden[] = JSON.parse(
  gunzipSync(readFileSync(new URL("../../goldens/rounding.json.gz", import.meta.url))).toString(),
);
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64")).buffer;

function caseOf(golden: Golden) {
  const { columns, rows, groupSize, bits } = golden;
  const inputs = Float64Array.from(new Int16Array(bytes(golden.inputs)), (value) => value / 64);
  const gram = new Float64Array(columns * columns);
  for (let t = 0; t < inputs.length; t += columns) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++)
        gram[i * columns + j] =
          (gram[i * columns + j] as number) + (inputs[t + i] as number) * (inputs[t + j] as number);
    }
  }
  const weight = new Float32Array(bytes(golden.weight));
  const grid: RoundingGrid = {
    levels: Float32Array.from({ length: 2 ** bits }, (_, code) => code),
    groupSize,
    scales: new Float32Array(bytes(golden.scales)),
    zeros: new Float32Array(bytes(golden.zeros)),
  };
  return { columns, rows, gram, weight, grid };
}

function decoded(codes: Uint8Array, columns: number, { levels, groupSize, scales, zeros }: RoundingGrid) {
  return Float64Array.from(codes, (code, i) => {
    const group = Math.floor(i / columns) * (columns / groupSize) + Math.floor((i % columns) / groupSize);
    return (scales[group] as number) * ((levels[code] as number) - (zeros?.[group] ?? 0));
  });
}

/** tr(E·(G + ridge·I)·Eᵀ). */
function errorUnder(gram: Float64Array, ridge: number, error: Float64Array, columns: number) {
  let sum = 0;
  for (let row = 0; row < error.length; row += columns) {
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++)
        sum +=
          (error[row + i] as number) *
          (error[row + j] as number) *
          ((gram[i * columns + j] as number) + (i === j ? ridge : 0));
    }
  }
  return sum;
}

describe.each(["wasm", "plain"])("rounding under a Gram matrix, by %s", (kind) => {
  it.each(goldens)("leaves the error that llm-compressor's GPTQ leaves: $name", async (golden) => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    const { columns, gram, weight, grid } = caseOf(golden);
    const rounding = await roundingUnder({ gram, columns, lambda: 0.01 });
    const { codes, errors } = await rounding.round(weight, grid);
    const lost = decoded(codes, columns, grid).map((value, i) => (weight[i] as number) - value);
    const error = errorUnder(gram, 0, lost, columns);
    // llm-compressor works in F32, which turns a few codes that lie between two.
    expect(Math.abs(error / golden.error - 1)).toBeLessThan(1e-4);
    const same = new Uint8Array(bytes(golden.codes)).filter((code, i) => code === codes[i]).length;
    expect(same / codes.length).toBeGreaterThan(0.99);
    expect(errors.reduce((a, b) => a + b) / errorUnder(gram, rounding.ridge, lost, columns)).toBeCloseTo(
      1,
      9,
    );
  });
});

it("rounds to nearest where inputs do not depend on each other", async () => {
  const [golden] = goldens as [Golden];
  const { columns, weight, grid } = caseOf(golden);
  const gram = new Float64Array(columns * columns);
  for (let i = 0; i < columns; i++) gram[i * columns + i] = 1 + i;
  const { codes } = await (await roundingUnder({ gram, columns, lambda: 0 })).round(weight, grid);
  for (const [i, value] of decoded(codes, columns, grid).entries()) {
    const group = Math.floor(i / grid.groupSize);
    const step = grid.scales[group] as number;
    expect(Math.abs(value - (weight[i] as number))).toBeLessThanOrEqual(step / 2 + 1e-6);
  }
});

it("rounds to any levels, channels that no token used to nearest, and a singular matrix with more damping", async () => {
  const [golden] = goldens as [Golden];
  const { columns, rows, weight } = caseOf(golden);
  const gram = new Float64Array(columns * columns).fill(1);
  for (let i = 0; i < columns; i++) gram[3 * columns + i] = gram[i * columns + 3] = 0;
  const levels = Float32Array.of(-1, -0.3, 0, 0.2, 1);
  const grid = { levels, groupSize: columns, scales: new Float32Array(rows).fill(0.3) };
  const rounding = await roundingUnder({ gram, columns, lambda: 0 });
  expect(rounding.lambda).toBeGreaterThan(0);
  const { codes } = await rounding.round(weight, grid);
  for (let row = 0; row < rows; row++) {
    const scaled = (weight[row * columns + 3] as number) / 0.3;
    const distances = [...levels].map((level) => Math.abs(level - scaled));
    expect(codes[row * columns + 3]).toBe(distances.indexOf(Math.min(...distances)));
  }
});
