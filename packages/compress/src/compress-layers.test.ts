import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { widthsOf } from "./allocate-widths.ts";
import { openBlockStore } from "./block-store.ts";
import type { Calibration } from "./calibration.ts";
import { compressLayers } from "./compress-layers.ts";
import type { Compression } from "./compression.ts";
import { toyCheckpoint, toyLayer, toySizes, toyWalk } from "./test-support/toy-walk.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-compress-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const LAYERS = 4;
const layers = Array.from({ length: LAYERS }, (_, index) => toyLayer(index));

function calibrationOf(source: Checkpoint) {
  const calls: string[] = [];
  const calibration: Calibration = {
    about: { source: "noise" },
    fingerprint: "noise",
    async walk(dropped) {
      const opened = await toyWalk(source, LAYERS, dropped);
      calls.push(`walk without ${dropped.join()}`);
      return {
        ...opened.walk,
        async release() {
          calls.push(...opened.calls);
        },
      };
    },
    distances: async (span) => Array.from({ length: LAYERS - span + 1 }, (_, i) => Math.abs(i - 1)),
  };
  return { calibration, calls };
}

async function compressed(source: Checkpoint, spec: Compression, name = "work") {
  const { calibration, calls } = calibrationOf(source);
  const store = await openBlockStore(join(folder, name), source, { data: calibration.fingerprint });
  const model = { tensors: source.tensors, layers };
  const result = await compressLayers(source, model, spec, calibration, store);
  return { ...result, calls, store };
}

/** Neuron 4 of every layer does what neuron 1 does, so that either can go and nothing is lost. */
const twins = (name: string, data: Float32Array) => {
  if (/gate|up/.test(name)) data.copyWithin(4 * toySizes.hidden, toySizes.hidden, 2 * toySizes.hidden);
};

describe("neurons", () => {
  test("of which one repeats another go one by one, and nothing is lost", async () => {
    const source = await toyCheckpoint(LAYERS, twins);
    const { reports, plan } = await compressed(source, { keepNeurons: 5, divisor: 1, method: "obs" });
    for (const { streamError } of reports) expect(streamError).toBeLessThan(1e-3);
    expect(plan.after.neurons).toBe(5);
  });

  test("leave smaller errors where what stays is fitted", async () => {
    const source = await toyCheckpoint(LAYERS);
    const errorOf = async (refit: boolean) =>
      (await compressed(source, { glu: 0.5, divisor: 1, refit }, String(refit))).reports.at(-1)
        ?.streamError ?? 1;
    expect(await errorOf(true)).toBeLessThan(0.6 * (await errorOf(false)));
  });

  test("chosen by weights are fitted as well", async () => {
    const source = await toyCheckpoint(LAYERS);
    const { reports, plan } = await compressed(source, { glu: 0.5, divisor: 1, method: "maw" });
    expect(plan.made["neurons.score"]).toBe("maw");
    expect(reports.filter(({ unfittedError }) => unfittedError !== undefined)).toHaveLength(LAYERS);
  });
});

test("heads go, and every MLP behind them is fitted to what the stream lacks", async () => {
  const source = await toyCheckpoint(LAYERS);
  const { reports, calls, plan } = await compressed(source, { heads: 0.25 });
  expect(plan.after).toMatchObject({ heads: 3, kvHeads: 3, neurons: 6 });
  expect(calls.filter((call) => call.startsWith("observe"))).toEqual(
    layers.flatMap((_, layer) => [`observe ${layer} attention 0`, `observe ${layer} mlp 0.5`]),
  );
  for (const { unfittedError = 0, streamError } of reports) expect(streamError).toBeLessThan(unfittedError);
});

test("layers go that change the stream least; what is before them is fitted to what is behind them", async () => {
  const source = await toyCheckpoint(LAYERS);
  const { plan, calls, reports } = await compressed(source, { layers: 2 });
  expect(plan.drop).toEqual([...(layers[1]?.weights ?? []), ...(layers[2]?.weights ?? [])]);
  expect(calls).toContain("walk without 1,2");
  expect(calls.filter((call) => call.startsWith("observe"))).toEqual([
    "observe 0 mlp 1",
    "observe 0 mlp 0",
    "observe 3 mlp 0.5",
  ]);
  const fitted = reports[1]?.streamError ?? 1;
  const { reports: unfitted } = await compressed(source, { layers: 2, refit: false }, "unfitted");
  expect(fitted).toBeLessThan(unfitted[1]?.streamError ?? 0);
});

test("widths of their own go to layers by what their neurons are worth", async () => {
  // By hand: of these eight the five highest stay.
  expect(widthsOf([Float64Array.of(1, 2, 3, 4), Float64Array.of(5, 6, 0, 0)], 5, 1)).toEqual([3, 2]);
  expect(widthsOf([Float64Array.of(0, 0, 0, 0), Float64Array.of(5, 6, 7, 8)], 4, 2)).toEqual([2, 4]);
  const source = await toyCheckpoint(LAYERS, (name, data) => {
    if (name === "2.down") data.fill(0).fill(1, 0, 1);
  });
  const { plan, notes } = await compressed(source, { glu: 0.5, divisor: 1, allocate: "global" });
  const widths = layers.map((_, layer) => plan.cuts.find((cut) => cut.layer === layer)?.kept ?? "all");
  expect(widths[2]?.split(",").length).toBeLessThan(3);
  expect(notes.at(-1)).toContain("which vlmopt reads and stock transformers does not");
});

describe("an interrupted compression", () => {
  const spec: Compression = { glu: 0.5, divisor: 1, heads: 0.25 };

  test("goes on behind the last block that was done, to the same weights", async () => {
    const source = await toyCheckpoint(LAYERS);
    const whole = await compressed(source, spec);
    const { calibration, calls } = calibrationOf(source);
    const place = join(folder, "stopped");
    const store = await openBlockStore(place, source, { data: "noise" });
    const stop = new AbortController();
    const model = { tensors: source.tensors, layers };
    await expect(
      compressLayers(source, model, spec, calibration, store, {
        signal: stop.signal,
        onBlock: (done) => {
          if (done === 5) stop.abort(new Error("stopped"));
        },
      }),
    ).rejects.toThrow("stopped");
    calls.length = 0;
    const again = await openBlockStore(place, source, { data: "noise" });
    expect(again.done).toBe(5);
    const resumed = await compressLayers(source, model, spec, calibration, again);
    expect(resumed.plan).toEqual(whole.plan);
    expect(resumed.reports).toEqual(whole.reports);
    expect(calls.filter((call) => call.startsWith("observe"))).toHaveLength(3);
    for (let block = 0; block < 2 * LAYERS; block++)
      expect((await again.read(block)).repaired).toEqual((await whole.store.read(block)).repaired);
    await again.remove();
    expect(await readdir(folder)).toEqual(["work"]);
  });

  test("is refused with other data", async () => {
    const source = await toyCheckpoint(LAYERS);
    const report = { layer: 0, kind: "attention", streamError: 0 } as const;
    const store = await openBlockStore(join(folder, "work"), source, { data: "noise" });
    // Nothing is lost where nothing was done.
    await expect(openBlockStore(join(folder, "work"), source, { data: "music" })).resolves.toMatchObject({
      done: 0,
    });
    await store.write(0, { report, repaired: new Map() });
    await expect(openBlockStore(join(folder, "work"), source, { data: "music" })).rejects.toThrow(
      "holds the beginning of a compression with another data",
    );
  });
});

test.each<[Compression, string]>([
  [{ l1: 0.3, glu: 0.5 }, "l1 zeroes weights by their size alone"],
  [{ glu: 0.99, divisor: 4 }, "1 of 6 neurons would stay, fewer than the divisor 4"],
  [
    { glu: 0.5, divisor: 1, allocate: "global", method: "obs" },
    "obs does not compare neurons of different layers",
  ],
  [{ layers: 4 }, "4 of 4 layers cannot go"],
])("%j is refused", async (spec, message) => {
  await expect(compressed(await toyCheckpoint(LAYERS), spec)).rejects.toThrow(message);
});
