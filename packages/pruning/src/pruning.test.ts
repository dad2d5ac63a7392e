import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel } from "@vlmopt/models";
import {
  applyPruning,
  fromRanges,
  type PruningPlan,
  type PruningTargets,
  planPruning,
  scoreLayers,
} from "@vlmopt/pruning";
import { byteLengthOf, type Checkpoint, elementCount, openCheckpoint, readTensor } from "@vlmopt/tensor-io";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";

interface Golden {
  readonly name: string;
  readonly fixture: string;
  readonly neurons?: { method: string; ratio: number; divisor: number };
  readonly heads?: { ratio: number; mode: "per-layer" | "seed"; unit: "within-groups" | "groups" };
  readonly drop?: number[];
  readonly sparsity?: { ratio: number; groupSize: number };
  readonly scores: { neurons?: number[][]; heads?: number[][] };
  readonly kept: { neurons?: number[][]; heads?: number[][]; kvHeads?: number[][] };
  readonly sha256: Readonly<Record<string, string>>;
  readonly tensors?: number;
}

/** Made by tools/reference/pruning_goldens.py, which prunes the same fixtures in PyTorch by the plain formulas. */
const goldens = JSON.parse(
  await readFile(new URL("../goldens/pruning.json", import.meta.url), "utf8"),
) as Golden[];
const fixtures = fileURLToPath(new URL("../../../fixtures/checkpoints/", import.meta.url));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlmopt-pruning-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Opens a fixture for the length of the test. */
async function openFixture(name: string) {
  const checkpoint = await openCheckpoint(join(fixtures, name));
  onTestFinished(() => checkpoint.close());
  const config = JSON.parse(await readFile(join(fixtures, name, "config.json"), "utf8")) as unknown;
  const description = describeModel(config, checkpoint.tensors);
  return { checkpoint, config, description, layers: description.languageModel.layers };
}

async function planOf(golden: Golden, checkpoint: Checkpoint): Promise<PruningPlan> {
  const { config, description, layers } = await openFixture(golden.fixture);
  const { neurons, heads, drop, sparsity } = golden;
  const scores = await scoreLayers(checkpoint, layers, {
    ...(neurons ? { neurons: neurons.method } : {}),
    ...(heads ? { heads: "norm" } : {}),
  });
  const request: PruningTargets = {
    ...(neurons ? { neurons } : {}),
    ...(heads ? { heads } : {}),
    ...(drop ? { depth: { drop } } : {}),
    ...(sparsity ? { sparsity } : {}),
  };
  return planPruning({ tensors: checkpoint.tensors, layers, description, config }, request, scores);
}

describe.each(goldens)("$name", (golden) => {
  it("has PyTorch's scores to 1e-6 and keeps the same indices", async () => {
    const { checkpoint, layers } = await openFixture(golden.fixture);
    const kept = layers.filter(({ index }) => !golden.drop?.includes(index));
    const scores = await scoreLayers(checkpoint, layers, {
      ...(golden.neurons ? { neurons: golden.neurons.method } : {}),
      ...(golden.heads ? { heads: "norm" } : {}),
    });
    for (const what of ["neurons", "heads"] as const) {
      for (const [i, expected] of (golden.scores[what] ?? []).entries()) {
        const ours = scores[what]?.[kept[i]?.index ?? 0] ?? [];
        expect(ours.length).toBe(expected.length);
        for (const [j, value] of expected.entries()) {
          expect(Math.abs((ours[j] as number) - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value));
        }
      }
    }
    const plan = await planOf(golden, checkpoint);
    for (const what of ["neurons", "heads", "kvHeads"] as const) {
      const ours = plan.cuts.filter((cut) => cut.what === what).map((cut) => fromRanges(cut.kept));
      const expected = golden.kept[what] ?? [];
      // Key-value heads that all stay need no cut.
      expect(what === "kvHeads" && ours.length === 0 ? expected : ours).toEqual(expected);
    }
  });

  it("is written as PyTorch's slicing gives it, and as the plan foretold", async () => {
    const { checkpoint, config } = await openFixture(golden.fixture);
    const plan = await planOf(golden, checkpoint);
    const out = join(folder, golden.name);
    await applyPruning(checkpoint, plan, out);
    await using pruned = await openCheckpoint(out);
    if (golden.tensors !== undefined) expect(pruned.tensors.size).toBe(golden.tensors);
    for (const [name, sha256] of Object.entries(golden.sha256)) {
      const bytes = await readTensor(pruned, name);
      expect(createHash("sha256").update(bytes).digest("hex"), name).toBe(sha256);
    }
    const all = [...pruned.tensors.values()];
    expect(plan.after.parameters).toBe(all.reduce((sum, { shape }) => sum + elementCount(shape), 0));
    expect(plan.after.bytes).toBe(all.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0));

    // What was written describes itself again: configuration and tensors agree.
    const written = JSON.parse(await readFile(join(out, "config.json"), "utf8")) as unknown;
    const again = describeModel(written, pruned.tensors);
    expect(again.unknown).toEqual([]);
    expect(again.languageModel.layers.length).toBe(plan.after.layers);
    const [layer] = again.languageModel.layers;
    expect([layer?.attention.numHeads, layer?.attention.numKvHeads]).toEqual([
      plan.after.heads,
      plan.after.kvHeads,
    ]);
    if (golden.sparsity) expect(written).toEqual(config);
  });
});

const python = process.env.VLMOPT_PYTHON;

it.skipIf(python === undefined)(
  "all of them load in stock transformers without a warning, generate, and have the logits of the masked model (VLMOPT_PYTHON)",
  { timeout: 300_000 },
  () => {
    const script = fileURLToPath(new URL("../../../tools/reference/pruning_goldens.py", import.meta.url));
    const output = execFileSync(python as string, [script, "check", folder], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    const { failures, largest } = JSON.parse(output.trim().split("\n").at(-1) ?? "");
    expect(failures).toEqual([]);
    expect(largest).toBeLessThan(1e-5);
  },
);
