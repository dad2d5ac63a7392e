import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CalibrationWalk } from "@vlmopt/models";
import { decodedIntegers, type Format, nearestIntegers } from "@vlmopt/quant";
import { type Checkpoint, toFloat32 } from "@vlmopt/tensor-io";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openBlockStore } from "./block-store.ts";
import { compressLayers } from "./compress-layers.ts";
import type { Compression } from "./compression.ts";
import { quantizationMethodNamed } from "./methods/quantization-methods.ts";
import { toyCheckpoint, toyLayer, toySizes, toyWalk } from "./test-support/toy-walk.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-quantize-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const LAYERS = 3;
const layers = Array.from({ length: LAYERS }, (_, index) => toyLayer(index));
const bits = 3;

/** Numbers of three bits, a row under one scale; by itself it takes the range of the row. */
const toyFormat = {
  name: "toy",
  grid: (tensor: { readonly shape: readonly number[] }) => ({
    bits,
    groupSize: tensor.shape[1] ?? 1,
    zeroPoints: true,
    lowestZeroPoint: 0,
    scaleDtype: "F32",
  }),
  pack: ({ codes, scales }) => [codes, new Uint8Array(scales.buffer.slice(0))],
  encode(tensor, _, { measure }) {
    const [rows = 1, columns = 1] = tensor.shape;
    return {
      push(bytes) {
        const data = toFloat32(bytes, "F32");
        const ranges = Array.from({ length: rows }, (_, row) => {
          const own = data.subarray(row * columns, (row + 1) * columns);
          const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
          const scale = (high - low) / 7;
          return { scale, zero: Math.round(-low / scale) };
        });
        const rounded = nearestIntegers(
          data,
          columns,
          { bits, groupSize: columns },
          {
            scales: Float32Array.from(ranges, ({ scale }) => scale),
            zeroPoints: Uint8Array.from(ranges, ({ zero }) => zero),
          },
        );
        measure({ dtype: "F32", bytes }, () => new Uint8Array(decodedIntegers(rounded).buffer));
        return [rounded.codes, new Uint8Array(rounded.scales.buffer.slice(0))];
      },
    };
  },
} as Pick<Format, "name" | "grid" | "pack" | "encode"> as Format;

async function quantized(source: Checkpoint, method: string, spec: Compression = {}, name = method) {
  const walks: { walk: CalibrationWalk; calls: readonly string[] }[] = [];
  const calibration = {
    about: { source: "noise" },
    fingerprint: "noise",
    async walk(dropped: readonly number[]) {
      const opened = await toyWalk(source, LAYERS, dropped);
      walks.push(opened);
      return opened.walk;
    },
    distances: async () => [],
  };
  const store = await openBlockStore(join(folder, name), source, { data: "noise" });
  const result = await compressLayers(source, { tensors: source.tensors, layers }, spec, calibration, store, {
    quantize: {
      method: quantizationMethodNamed(method),
      formats: [toyFormat],
      schemeOf: (weight) => (weight === "1.gate" ? undefined : { format: "toy" }),
    },
  });
  return { ...result, store, calls: walks.flatMap(({ calls }) => calls) };
}

describe("quantizing a model block by block", () => {
  test("leaves less error with data than without, in the stream and in each linear", async () => {
    const source = await toyCheckpoint(LAYERS);
    const errors = new Map<string, number>();
    for (const method of ["rtn", "imatrix", "clip", "gptq"]) {
      const { reports } = await quantized(source, method);
      errors.set(method, reports.at(-1)?.streamError ?? Number.NaN);
      const linears = reports.flatMap((report) => report.linears ?? []);
      expect(linears).toHaveLength(7 * LAYERS - 1);
      for (const { name, nearest, error } of linears) {
        expect(name).not.toBe("1.gate");
        expect(error).toBeGreaterThan(0);
        expect(error).toBeLessThanOrEqual(nearest);
      }
    }
    expect(errors.get("imatrix")).toBeLessThan(errors.get("rtn") as number);
    expect(errors.get("gptq")).toBeLessThan(0.5 * (errors.get("rtn") as number));
  });

  test("looks at the last linear's inputs once those before it are rounded", async () => {
    const { calls } = await quantized(await toyCheckpoint(LAYERS), "gptq");
    expect(calls.slice(0, 6)).toEqual([
      "observe 0 attention -",
      "observe 0 attention 0.5",
      "advance 0 attention",
      "observe 0 mlp -",
      "observe 0 mlp 0.5",
      "advance 0 mlp",
    ]);
  });

  test("keeps what formats store, and goes on behind blocks that are done", async () => {
    const source = await toyCheckpoint(LAYERS);
    const first = await quantized(source, "gptq");
    const encoded = await first.store.encoded(0);
    expect([...encoded.keys()].sort()).toEqual(["0.k", "0.o", "0.q", "0.v"]);
    expect(encoded.get("0.q")?.parts).toMatchObject([{ byteLength: 32 }, { byteLength: 32 }]);
    const again = await quantized(source, "gptq");
    expect(again.reports).toEqual(first.reports);
    expect(again.calls.some((call) => call.startsWith("observe"))).toBe(false);
  });

  test("rounds what pruning leaves", async () => {
    const source = await toyCheckpoint(LAYERS);
    const { reports, store, plan } = await quantized(source, "gptq", { keepNeurons: 4, divisor: 1 });
    expect(plan.after.neurons).toBe(4);
    expect((await store.encoded(1)).get("0.down")?.parts[0]).toMatchObject({
      byteLength: 4 * toySizes.hidden,
    });
    expect((await store.encoded(1)).get("0.up")?.parts[0]).toMatchObject({ byteLength: 4 * toySizes.hidden });
    expect(reports.at(-1)?.linears?.length).toBe(3);
  });
});
