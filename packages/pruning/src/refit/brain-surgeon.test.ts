import { brainSurgeon, linearAlgebra, refit } from "@vlmopt/pruning";
import { afterEach, describe, expect, it, vi } from "vitest";
import { othersThan } from "./columns.ts";
import { type Layer, layers } from "./test-support/layers.ts";

const algebra = linearAlgebra();
const [small] = layers as [Layer];
const requestOf = ({ weight, outputs, gram }: Layer) => ({ weight, outFeatures: outputs, gram });

afterEach(() => {
  vi.unstubAllEnvs();
});

const cases = layers.flatMap((layer) =>
  layer.greedy.map((greedy) => ({
    layer,
    greedy,
    name: `${layer.name}: units of ${greedy.unit}, ${greedy.keep} stay, ${greedy.partitions} partitions`,
  })),
);

describe.each(["wasm", "plain"])("the greedy brain surgeon by %s", (kind) => {
  it.each(cases)("removes what numpy removes, in order: $name", async ({ layer, greedy }) => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    const { unit, keep, partitions } = greedy;
    const result = await brainSurgeon({ ...requestOf(layer), keep, unit, partitions }, algebra);
    expect(result.removed).toEqual(greedy.removed);
    const units = Array.from({ length: layer.channels / unit }, (_, i) => i);
    expect(result.kept).toEqual(units.filter((it) => !greedy.removed.includes(it)));
  });
});

describe("the greedy brain surgeon", () => {
  const errorOf = async (layer: Layer, kept: readonly number[]) => {
    const { weight, outputs, gram, tokens, mean } = layer;
    const request = { weight, outFeatures: outputs, inputs: { gram, tokens, mean }, kept };
    const { error } = await refit({ ...request, lambda: 0.01, report: true }, algebra);
    return error?.after ?? Number.NaN;
  };

  it.each(cases.filter(({ greedy }) => greedy.unit === 1))(
    "loses little where costs of all are computed seldom: $name",
    async ({ layer, greedy }) => {
      const { keep, partitions, removed } = greedy;
      const { kept } = await brainSurgeon(
        { ...requestOf(layer), keep, partitions, exactColumns: 0 },
        algebra,
      );
      expect(kept).toHaveLength(keep);
      const exactly = othersThan(removed, layer.channels);
      const error = await errorOf(layer, kept);
      expect(error).toBeLessThan(1.25 * (await errorOf(layer, [...exactly])) + 1e-6);
      // What E[x²]·‖w‖² would keep, from the whole.
      if (partitions > 1) return;
      const cost = Array.from({ length: layer.channels }, (_, j) => {
        let sum = 0;
        for (let i = 0; i < layer.outputs; i++) sum += (layer.weight[i * layer.channels + j] as number) ** 2;
        return sum * (layer.gram[j * layer.channels + j] as number);
      });
      const byActivations = cost
        .map((_, j) => j)
        .sort((a, b) => (cost[b] as number) - (cost[a] as number))
        .slice(0, keep)
        .sort((a, b) => a - b);
      expect(error).toBeLessThan(await errorOf(layer, byActivations));
    },
  );

  it.each([0, 4096])(
    "keeps one of two channels that are the same, all costs up to %i columns",
    async (exactColumns) => {
      // Eight independent channels, each twice: the first half cheap, and without it dear.
      const gram = Float64Array.from({ length: 256 }, (_, place) =>
        Math.floor(place / 16) % 8 === (place % 16) % 8 ? 100 : 0,
      );
      const weight = Float32Array.from({ length: 16 }, (_, i) => 1 + (i % 8) / 10);
      const { kept } = await brainSurgeon({ weight, outFeatures: 1, gram, keep: 8, exactColumns }, algebra);
      expect(kept.map((column) => column % 8).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    },
  );

  it("removes nothing where all stay", async () => {
    const { kept, removed } = await brainSurgeon({ ...requestOf(small), keep: 24 }, algebra);
    expect(kept).toHaveLength(24);
    expect(removed).toEqual([]);
  });

  it.each([
    ["none to stay", { keep: 0 }, "down: 0 of 24 units cannot stay"],
    ["units that divide nothing", { keep: 1, unit: 5 }, "down: 24 columns are no whole number of units of 5"],
    [
      "partitions that cannot lose equally many",
      { keep: 3, partitions: 2 },
      "down: 2 partitions do not divide 24 units of which 3 stay",
    ],
    [
      "NaN",
      { keep: 3, gram: new Float64Array(576).fill(Number.NaN) },
      "down: the Gram matrix of its inputs is NaN in row 0, column 0",
    ],
    [
      "a Gram matrix of another layer",
      { keep: 3, gram: new Float64Array(4) },
      "down: the Gram matrix holds 4 numbers, and 24 channels take 576",
    ],
  ])("refuses %s", async (_, change, message) => {
    await expect(brainSurgeon({ ...requestOf(small), name: "down", ...change }, algebra)).rejects.toThrow(
      message,
    );
  });
});
