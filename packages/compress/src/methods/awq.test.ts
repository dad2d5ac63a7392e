import { readFile } from "node:fs/promises";
import type { InputStatistics } from "@vlmopt/models";
import { linearAlgebra } from "@vlmopt/pruning";
import { encodeMatrix, formatNamed, schemeNamed } from "@vlmopt/quant";
import { describe, expect, test } from "vitest";
import { outputErrors } from "../output-error.ts";
import { awq, channelScales, scaledLoss } from "./awq.ts";
import { clip, clipped } from "./clip.ts";
import type { RoundedLinear } from "./quantization-method.ts";

// tools/reference/compress_awq.py
const golden = JSON.parse(await readFile(new URL("../../goldens/awq.json", import.meta.url), "utf8")) as {
  readonly bits: number;
  readonly groupSize: number;
  readonly columns: number;
  readonly inputs: string;
  readonly weights: readonly string[];
  readonly losses: readonly number[];
  readonly best: number;
  readonly scales: readonly number[];
  readonly clipped: string;
  readonly clippedError: number;
};

const { columns } = golden;
const scheme = schemeNamed(`int${golden.bits}-g${golden.groupSize}-zero`, "fast");
const linears = golden.weights.map((text, i): RoundedLinear => {
  const data = floats(text);
  return {
    tensor: { name: `${i}.weight`, dtype: "F32", shape: [data.length / columns, columns] },
    data,
    scheme,
    format: formatNamed(scheme.format),
    magnitude: undefined,
  };
});
const inputs = statisticsOf(floats(golden.inputs));

describe("AWQ, against the reference on the activations themselves", () => {
  test("loses as much with each exponent", async () => {
    for (const [step, expected] of golden.losses.entries()) {
      const loss = await scaledLoss(linears, inputs, channelScales(inputs.meanAbs, step / 20));
      expect(Math.abs(loss / expected - 1), `${step}`).toBeLessThan(1e-4);
    }
  });

  test("takes the same scales", async () => {
    const scales = await awq.scaleInputs?.(linears, inputs);
    for (const [i, expected] of golden.scales.entries())
      expect(Math.abs((scales?.[i] ?? 0) / expected - 1)).toBeLessThan(1e-5);
  });

  test("clips the same weights, and loses as much", async () => {
    const [linear] = linears as [RoundedLinear];
    const found = clipped(linear, inputs) ?? [];
    const expected = floats(golden.clipped);
    expect(found.length).toBe(expected.length);
    for (const [i, value] of expected.entries()) expect(found[i]).toBeCloseTo(value, 6);
    const [rounded] = await clip.round([linear], inputs);
    const { error } = await outputErrors(
      linear.data,
      rounded?.decoded ?? linear.data,
      inputs,
      linearAlgebra(),
    );
    expect(Math.abs(error / golden.clippedError - 1)).toBeLessThan(1e-4);
  });
});

test("formats without groups of integers round as they do", async () => {
  const scheme = schemeNamed("nf4");
  const linear = { ...(linears[0] as RoundedLinear), scheme, format: formatNamed(scheme.format) };
  const [found] = await clip.round([linear], inputs);
  expect(found?.decoded).toEqual(encodeMatrix(linear.format, scheme, linear.tensor, linear.data).decoded);
});

function floats(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
}

function statisticsOf(x: Float32Array): InputStatistics {
  const tokens = x.length / columns;
  const gram = new Float64Array(columns * columns);
  const meanAbs = new Float64Array(columns);
  for (let token = 0; token < tokens; token++) {
    for (let i = 0; i < columns; i++) {
      const value = x[token * columns + i] as number;
      meanAbs[i] = (meanAbs[i] as number) + Math.abs(value) / tokens;
      for (let j = 0; j < columns; j++)
        gram[i * columns + j] =
          (gram[i * columns + j] as number) + value * (x[token * columns + j] as number);
    }
  }
  const meanSquare = meanAbs.map((_, i) => (gram[i * columns + i] as number) / tokens);
  const none = new Float64Array(columns);
  return { tokens, mean: none, meanSquare, meanAbs, maxAbs: none, sequenceMagnitude: none, gram };
}
