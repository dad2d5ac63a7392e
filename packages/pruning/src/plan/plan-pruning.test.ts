import { createHash } from "node:crypto";
import {
  applyPruning,
  defaultDivisor,
  fromRanges,
  type NeuronTargets,
  type PrunableLayer,
  planByWeights,
  planPruning,
  planSizes,
  scoreHeads,
  scoreLayers,
  scoreNeurons,
  toRanges,
} from "@vlmopt/pruning";
import {
  type Checkpoint,
  fromFloat32,
  memorySink,
  memorySource,
  openSources,
  readTensor,
  type TensorLiteral,
  tensorNamed,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

/** A layer of a model that no family describes, its roles given by hand. */
const byHand = (index: number, heads = { numHeads: 4, numKvHeads: 2, headDim: 2 }): PrunableLayer => ({
  mlp: {
    kind: "gated",
    gateProj: { weight: `h.${index}.gate` },
    upProj: { weight: `h.${index}.up`, bias: `h.${index}.up_bias` },
    downProj: { weight: `h.${index}.down` },
  },
  attention: {
    qProj: { weight: `h.${index}.q` },
    kProj: { weight: `h.${index}.k` },
    vProj: { weight: `h.${index}.v` },
    oProj: { weight: `h.${index}.o` },
    ...heads,
  },
  weights: ["gate", "up", "up_bias", "down", "q", "k", "v", "o"].map((name) => `h.${index}.${name}`),
});

const HIDDEN = 8;
const NEURONS = 10;

/** Tensors of two such layers, element i of a tensor being `value(i)`. */
async function twoLayers(value: (i: number, name: string) => number): Promise<Checkpoint> {
  const shapes = {
    gate: [NEURONS, HIDDEN],
    up: [NEURONS, HIDDEN],
    up_bias: [NEURONS],
    down: [HIDDEN, NEURONS],
    q: [8, HIDDEN],
    k: [4, HIDDEN],
    v: [4, HIDDEN],
    o: [HIDDEN, 8],
  };
  const tensors: TensorLiteral[] = [0, 1].flatMap((layer) =>
    Object.entries(shapes).map(([part, shape]) => {
      const name = `h.${layer}.${part}`;
      const count = shape.reduce((product, size) => product * size, 1);
      return {
        name,
        dtype: "F32",
        shape,
        bytes: fromFloat32(
          Float32Array.from({ length: count }, (_, i) => value(i, name)),
          "F32",
        ),
      };
    }),
  );
  const sink = memorySink();
  await writeCheckpoint(tensors, sink);
  return openSources([...sink.files].map(([name, bytes]) => memorySource(bytes, name)));
}

async function pruned(source: Checkpoint, plan: ReturnType<typeof planPruning>) {
  const sink = memorySink();
  await applyPruning(source, plan, sink);
  const [bytes] = sink.files.values();
  const checkpoint = await openSources([memorySource(bytes as Uint8Array)]);
  return {
    hash: createHash("sha256")
      .update(bytes as Uint8Array)
      .digest("hex"),
    checkpoint,
    floats: async (name: string) => [...toFloat32(await readTensor(checkpoint, name), "F32")],
  };
}

const layers = [byHand(0), byHand(1)];
const ones = (length: number) => layers.map(() => new Float64Array(length).fill(1));

describe("neurons", () => {
  const keptOf = async (neurons: NeuronTargets, scores: readonly ArrayLike<number>[] = ones(10)) => {
    const { tensors } = await twoLayers((i) => i);
    return planPruning({ tensors, layers }, { neurons }, { neurons: scores }).cuts.map(({ kept }) => kept);
  };

  it("are chosen by score, ties by the lower index, in their old order", async () => {
    const scores = [Float64Array.of(5, 1, 5, 2, 9, 5, 0, 5, 5, 3), new Float64Array(10)];
    expect(await keptOf({ ratio: 0.6, divisor: 1 }, scores)).toEqual(["0,2,4-5", "0-3"]);
  });

  it.each([
    [{ ratio: 0.3 }, 1, 7],
    [{ ratio: 0.39 }, 1, 7],
    [{ ratio: 0.3 }, 4, 4],
    [{ keep: 9 }, 1, 9],
    [{ expansion: 0.5 }, 1, 4],
    [{ expansion: 1.25 }, 1, 10],
    [{ ratio: 0 }, 1, 10],
  ])("%j with divisor %i leaves %i of 10", async (target, divisor, left) => {
    const [kept] = await keptOf({ divisor, ...target });
    // Layers that lose nothing need no cut.
    expect(kept === undefined ? 10 : fromRanges(kept).length).toBe(left);
  });

  it.each([
    [0.3, 7706],
    [0.7, 3303],
  ])("leaves the seed's number of LLaVA's 11008 at %f", (ratio, left) => {
    const tensors = new Map([
      ["h.0.gate", { name: "h.0.gate", dtype: "BF16" as const, shape: [11_008, 4096] }],
    ]);
    const rest = ["up", "up_bias", "down", "q", "k", "v", "o"].map((part) => `h.0.${part}`);
    for (const name of rest) {
      const shape = name.endsWith("down")
        ? [4096, 11_008]
        : name.endsWith("bias")
          ? [11_008]
          : [11_008, 4096];
      tensors.set(name, { name, dtype: "BF16", shape });
    }
    const scores = [new Float64Array(11_008)];
    const plan = planPruning(
      { tensors, layers: [byHand(0)] },
      { neurons: { ratio, divisor: 1 } },
      { neurons: scores },
    );
    expect(plan.after.neurons).toBe(left);
    const rounded = planPruning(
      { tensors, layers: [byHand(0)] },
      { neurons: { ratio } },
      { neurons: scores },
    );
    expect(rounded.after.neurons % 128).toBe(0);
  });

  it.each([
    [{ ratio: 1 }, 1, "a ratio of neurons of 1 is asked for; it must be at least 0 and less than 1"],
    [{ ratio: -0.1 }, 1, "must be at least 0"],
    [{ keep: 11 }, 1, "11 neurons cannot stay of 10"],
    [{ expansion: 2 }, 1, "16 neurons cannot stay of 10"],
    [{ ratio: 0.5 }, 128, "5 of 10 neurons would stay, fewer than the divisor 128"],
    [{ ratio: 0.5 }, 0, "divisor 0 is not a whole number"],
  ])("%j with divisor %i is refused", async (target, divisor, message) => {
    await expect(keptOf({ divisor, ...target })).rejects.toThrow(message);
  });

  it("of some layers alone need a loader that knows uneven sizes", async () => {
    const neurons = { ratio: 0.5, divisor: 1, layers: [1] };
    await expect(keptOf(neurons)).rejects.toThrow(
      "1 of 2 layers would have fewer neurons than the others, and stock loaders know one",
    );
    expect(await keptOf({ ...neurons, uneven: true })).toEqual(["0-4"]);
  });

  it("may be chosen at random, the same way for the same seed", async () => {
    const source = await twoLayers((i) => i);
    const plans = await Promise.all(
      [1, 1, 2].map((seed) =>
        planByWeights(
          source,
          { tensors: source.tensors, layers },
          { neurons: { ratio: 0.5, divisor: 1 }, scores: { neurons: "random" }, seed },
        ),
      ),
    );
    expect(plans[0]).toEqual(plans[1]);
    expect(plans[0]?.cuts).not.toEqual(plans[2]?.cuts);
  });

  it.each([
    [[Float64Array.of(1, 2, 3), new Float64Array(10)], "there are 10 neurons of layer 0 and 3 scores"],
    [[new Float64Array(10)], "the model has 2 layers and scores of neurons were given for 1"],
    [[...ones(10), new Float64Array(10)], "the model has 2 layers and scores of neurons were given for 3"],
    [
      [new Float64Array(10), new Float64Array(10).fill(Number.NaN, 4)],
      "score 4 of 10 of the neurons of layer 1 is not a number",
    ],
  ])("by scores that do not fit are refused (%#)", async (scores, message) => {
    await expect(keptOf({ ratio: 0.5, divisor: 1 }, scores)).rejects.toThrow(message);
  });

  it.each([
    [11_008, 0.3, 128],
    [1536, 0.125, 64],
    [1536, 0.25, 128],
    [640, 0.3, 64],
    [10, 0.3, 1],
  ])("of %i lose %f, rounded to a multiple of %i by default", (count, ratio, divisor) => {
    expect(defaultDivisor(count - Math.floor(ratio * count))).toBe(divisor);
  });

  it("whose number rounding changes say so", async () => {
    const { tensors } = await twoLayers((i) => i);
    const sizes = planSizes(
      { tensors, layers },
      { neurons: { ratio: 0.3, divisor: 4 }, heads: { ratio: 0.3 } },
    );
    expect(sizes.notes).toEqual([
      "30 % of 10 neurons was asked for and 60 % go: 4 stay, a multiple of 4 (a smaller divisor comes closer)",
      "30 % of the heads was asked for and 50 % go: 1 of 2 query heads of each group stay",
    ]);
  });

  it("that are not finite are named by their tensor", async () => {
    const source = await twoLayers((i, name) => (name === "h.1.up" && i === 3 ? Number.NaN : i));
    for (const method of ["maw", "vow", "pon", "l2"] as const) {
      await expect(scoreNeurons(source, layers, method)).rejects.toThrow("h.1.up holds NaN or infinity");
    }
  });
});

describe("heads", () => {
  it("leave evenly from every group, or with their group", async () => {
    const { tensors } = await twoLayers((i) => i);
    const scores = layers.map(() => Float64Array.of(1, 2, 4, 3));
    const within = planPruning({ tensors, layers }, { heads: { ratio: 0.5 } }, { heads: scores });
    expect(within.cuts.map(({ what, kept }) => `${what} ${kept}`)).toEqual(["heads 1-2", "heads 1-2"]);
    const groups = planPruning(
      { tensors, layers },
      { heads: { ratio: 0.5, unit: "groups" } },
      { heads: scores },
    );
    expect(groups.cuts.map(({ what, kept }) => `${what} ${kept}`).slice(0, 2)).toEqual([
      "heads 2-3",
      "kvHeads 1",
    ]);
  });

  it("leave alike from all layers in the seed's mode, ⌈32·0.3⌉ = 10 of 32", () => {
    const many = [0, 1].map((index) => byHand(index, { numHeads: 32, numKvHeads: 32, headDim: 2 }));
    const scores = [
      Float64Array.from({ length: 32 }, (_, i) => i),
      Float64Array.from({ length: 32 }, (_, i) => (i === 0 ? 100 : 0)),
    ];
    const tensors = new Map(
      many
        .flatMap(({ weights }) => weights ?? [])
        .map((name) => [name, { name, dtype: "F32" as const, shape: /bias/.test(name) ? [64] : [64, 64] }]),
    );
    const plan = planPruning(
      { tensors, layers: many },
      { heads: { ratio: 0.3, mode: "seed" } },
      { heads: scores },
    );
    expect(new Set(plan.cuts.map(({ kept }) => kept))).toEqual(new Set(["0,11-31"]));
  });

  it("cannot all go", async () => {
    const { tensors } = await twoLayers((i) => i);
    expect(() => planPruning({ tensors, layers }, { heads: { ratio: 0.9 } }, { heads: ones(4) })).toThrow(
      "a ratio of 0.9 leaves none of 2 heads in each group",
    );
  });
});

describe("layers", () => {
  it("that stay are renumbered, tensor by tensor", async () => {
    const source = await twoLayers((i, name) => (name.startsWith("h.1") ? i + 100 : i));
    const plan = planPruning({ tensors: source.tensors, layers }, { depth: { drop: [0] } });
    const { checkpoint, floats } = await pruned(source, plan);
    expect([...checkpoint.tensors.keys()].sort()).toEqual([...(layers[0]?.weights ?? [])].sort());
    expect((await floats("h.0.up_bias"))[0]).toBe(100);
  });

  it.each([
    [{ last: 2 }, [8, 9]],
    [{ middle: 3 }, [3, 4, 5]],
    [{ lowest: 2 }, [1, 5]],
    [{ drop: [3, 7] }, [3, 7]],
  ])("%j drops %j of 10", (depth, dropped) => {
    const ten = Array.from({ length: 10 }, (_, i) => byHand(i));
    const tensors = new Map(
      ten
        .flatMap(({ weights }) => weights ?? [])
        .map((name) => [name, { name, dtype: "F32" as const, shape: [1, 1] }]),
    );
    const plan = planPruning({ tensors, layers: ten }, { depth }, { layers: [9, 1, 5, 5, 5, 0, 5, 5, 5, 5] });
    expect(plan.drop).toEqual(dropped.flatMap((index) => ten[index]?.weights));
  });

  it("are scored by what they can write", async () => {
    const source = await twoLayers((_, name) =>
      name === "h.0.o" ? 2 : name === "h.0.down" ? 1 : name.startsWith("h.1") ? 3 : 0,
    );
    const { layers: scores } = await scoreLayers(source, layers, { layers: true });
    expect([...(scores ?? [])]).toEqual([64 * 4 + 80, 64 * 9 + 80 * 9]);
    expect((await scoreHeads(source, layers))[0]).toEqual(new Float64Array(4).fill(Math.sqrt(16 * 4)));
  });

  it.each([
    [{ drop: [2] }, "layer 2 cannot go: there are layers 0 to 1"],
    [{ drop: [0, 1] }, "all 2 layers would go"],
    [{ last: 2 }, "2 of 2 layers cannot go"],
  ])("%j is refused", async (depth, message) => {
    const { tensors } = await twoLayers((i) => i);
    expect(() => planPruning({ tensors, layers }, { depth })).toThrow(message);
  });
});

describe("a plan", () => {
  it("is plain data, and applied twice gives the same bytes", async () => {
    const source = await twoLayers((i) => Math.sin(i));
    const model = { tensors: source.tensors, layers };
    const plan = await planByWeights(source, model, {
      neurons: { ratio: 0.4, divisor: 1 },
      heads: { ratio: 0.5 },
      depth: { last: 1 },
    });
    const saved = JSON.parse(JSON.stringify(plan)) as typeof plan;
    expect(saved).toEqual(plan);
    expect((await pruned(source, saved)).hash).toBe((await pruned(source, plan)).hash);
  });

  it("for another checkpoint is refused", async () => {
    const source = await twoLayers((i) => i);
    const plan = planPruning(
      { tensors: source.tensors, layers },
      { neurons: { ratio: 0.5, divisor: 1 } },
      { neurons: ones(10) },
    );
    const other = { ...source, location: "other", tensors: new Map([...source.tensors].slice(1)) };
    await expect(applyPruning(other, plan, memorySink())).rejects.toThrow(
      "the plan names 1 tensors that other lacks",
    );
  });

  it("of another version, or for a model of other sizes, is refused", async () => {
    const source = await twoLayers((i) => i);
    const model = { tensors: source.tensors, layers };
    const plan = planPruning(model, { neurons: { ratio: 0.5, divisor: 1 } }, { neurons: ones(10) });
    await expect(applyPruning(source, { ...plan, version: 2 as 1 }, memorySink())).rejects.toThrow(
      "the plan is of version 2, and this one applies version 1",
    );
    const cuts = plan.cuts.map((cut) => ({ ...cut, count: 12 }));
    await expect(applyPruning(source, { ...plan, cuts }, memorySink())).rejects.toThrow(
      "the plan is for 12 neurons in h.0.gate, which takes 12 rows, and memory has 10 of them",
    );
    const before = { ...plan.before, parameters: 7 };
    await expect(applyPruning(source, { ...plan, before }, memorySink())).rejects.toThrow(
      "the plan was made for 7 parameters",
    );
  });

  it("that removes neurons that do nothing changes nothing that the MLP computes", async () => {
    const neurons = fc.uniqueArray(fc.integer({ min: 0, max: NEURONS - 1 }), { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(neurons, fc.integer(), async (dead, seed) => {
        const noise = (i: number) => Math.sin(i * 12.9898 + (seed % 1000)) + 0.1;
        const source = await twoLayers((i, name) => {
          const neuron = /gate|up/.test(name) ? Math.floor(i / (name.endsWith("bias") ? 1 : HIDDEN)) : -1;
          return dead.includes(neuron) ? 0 : noise(i);
        });
        const plan = await planByWeights(
          source,
          { tensors: source.tensors, layers },
          { neurons: { ratio: 0.5, divisor: 1 } },
        );
        const { checkpoint } = await pruned(source, plan);
        const x = Float64Array.from({ length: HIDDEN }, (_, i) => noise(i + 777));
        expect(await mlp(checkpoint, x)).toEqual(await mlp(source, x));
      }),
      { numRuns: 50, seed: 7 },
    );
  });
});

/** down(gate(x) ⊙ (up(x) + bias)) of layer 0, in doubles, summed over neurons in their order. */
async function mlp(checkpoint: Checkpoint, x: Float64Array): Promise<number[]> {
  const floats = async (part: string) => toFloat32(await readTensor(checkpoint, `h.0.${part}`), "F32");
  const [gate, up, bias, down] = await Promise.all(["gate", "up", "up_bias", "down"].map(floats));
  const count = tensorNamed(checkpoint, "h.0.gate").shape[0] ?? 0;
  const row = (matrix: Float32Array | undefined, i: number) =>
    x.reduce((sum, value, j) => sum + value * (matrix?.[i * HIDDEN + j] as number), 0);
  const hidden = Array.from({ length: count }, (_, i) => row(gate, i) * (row(up, i) + (bias?.[i] as number)));
  return Array.from({ length: HIDDEN }, (_, i) =>
    hidden.reduce((sum, value, j) => sum + value * (down?.[i * count + j] as number), 0),
  );
}

describe("index ranges", () => {
  it("survive the way there and back", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (numbers) => {
        const sorted = numbers.toSorted((a, b) => a - b);
        expect(fromRanges(toRanges(sorted))).toEqual(sorted);
      }),
    );
  });

  it.each(["1,", "3-1", "2,1", "1,1", "a", "-1"])("%j are refused", (text) => {
    expect(() => fromRanges(text)).toThrow("is no range of ascending indices");
  });
});
