import { type CalibrationItem, type Executor, openCalibrationWalk } from "@vlmopt/engine";
import { describeModel, type Linear, type ReplacedTensor, type Replacements } from "@vlmopt/models";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { expect } from "vitest";
import { readJson } from "../read-json.ts";
import { modelWeights, readFloats } from "../weights/model-weights.ts";
import { fixture, readGolden, vlmGolden } from "./goldens.ts";

interface BlockGolden {
  readonly layer: number;
  readonly kind: "attention" | "mlp";
  readonly linears: readonly string[];
  /** Of the first linear and the last; of their Gram matrices only some rows. */
  readonly inputs: readonly Readonly<
    Record<"mean" | "meanSquare" | "maxAbs" | "sequenceMagnitude" | "gram", readonly number[]> & {
      tokens: number;
    }
  >[];
  readonly target?: { readonly cross: readonly number[]; readonly squares: number };
  /** As the block is, and with what was taken out of it. */
  readonly lossBefore: number;
  readonly loss: number;
  readonly pruned: boolean;
  readonly error: number;
}

/** What PyTorch sees in F64 while models are pruned (tools/reference/engine_walks.py). */
export const walkGoldens = readGolden<{
  readonly rows: readonly number[];
  readonly dropped: number;
  readonly texts: readonly (readonly number[])[];
  readonly questions: readonly (readonly [question: string, pictures: number, answer: string | null])[];
  readonly models: Readonly<
    Record<
      string,
      {
        readonly blocks: readonly BlockGolden[];
        readonly finalNorm: Readonly<Record<"cross" | "squares", readonly number[]>> | null;
        readonly distances: readonly (readonly number[])[];
      }
    >
  >;
}>("walks");

/** Walks as the script did, and compares what is seen. */
export async function expectWalk(name: string, executor: Executor, tolerance = 2e-5): Promise<void> {
  const { rows, dropped, texts, questions, models } = walkGoldens;
  const isVlm = name === "llava";
  const path = isVlm ? vlmGolden(name) : fixture(name);
  const data: CalibrationItem[] = isVlm
    ? questions.map(([prompt, pictures, answer]) => ({
        prompt,
        images: Array<string>(pictures).fill(vlmGolden("picture.png")),
        ...(answer === null ? {} : { answer }),
      }))
    : texts.map((ids) => ({ ids }));
  const close = (found: ArrayLike<number> | undefined, expected: readonly number[]) => {
    expect(found?.length).toBe(expected.length);
    const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - (found?.[i] as number))), 0);
    expect(worst).toBeLessThanOrEqual(tolerance * scale);
  };
  const rowsOf = (matrix: ArrayLike<number> | undefined, width: number) =>
    rows.flatMap((row) => Array.from({ length: width }, (_, i) => matrix?.[row * width + i] as number));
  const { blocks = [], finalNorm } = models[name] ?? {};
  await using checkpoint = await openCheckpoint(path);
  const walk = await openCalibrationWalk(checkpoint, data, { executor, dropped: [dropped] });
  expect(walk.blocks).toEqual(blocks.map(({ layer, kind }) => ({ layer, kind })));
  for (const { layer, kind, linears, inputs, target, pruned, ...golden } of blocks) {
    const { linears: parts } = await blockOf(checkpoint, layer, kind);
    const [first, last] = [parts[0]?.weight, parts.at(-1)?.weight] as [string, string];
    const found = await walk.observe({ gram: [first, last], target: 1 });
    expect([...found.inputs.keys()].map(inLayer)).toEqual(
      linears.map((linear) => inLayer(`${linear}.weight`)),
    );
    for (const [n, expected] of inputs.entries()) {
      const statistics = found.inputs.get(n === 0 ? first : last);
      expect(statistics?.tokens).toBe(expected.tokens);
      for (const figure of ["mean", "meanSquare", "maxAbs", "sequenceMagnitude"] as const)
        close(statistics?.[figure], expected[figure]);
      close(rowsOf(statistics?.gram, expected.mean.length), expected.gram);
    }
    expect(found.target === undefined).toBe(target === undefined);
    if (target !== undefined) {
      close(rowsOf(found.target?.cross, inputs[1]?.mean.length ?? 0), target.cross);
      close([found.target?.squares ?? 0], [target.squares]);
    }
    close([await walk.loss()], [golden.lossBefore]);
    const replacements = pruned ? await prunedBlock(checkpoint, layer, kind) : undefined;
    close([await walk.loss(replacements)], [golden.loss]);
    close([(await walk.advance(replacements)).error], [golden.error]);
  }
  const norm = await walk.finalNorm();
  expect(norm === undefined).toBe(finalNorm === null);
  if (norm !== undefined && finalNorm) {
    close(norm.cross, finalNorm.cross);
    close(norm.squares, finalNorm.squares);
    const gain = await readFloats(await modelWeights(checkpoint), norm.weight);
    const same = await walk.loss(new Map([[norm.weight, { shape: [gain.length], data: gain }]]));
    close([same], [await walk.loss()]);
  }
  await walk.release();
}

/** A tensor's name from its layer on: what is before that, savers of different years name differently. */
function inLayer(name: string): string {
  return name.slice(name.indexOf("layers."));
}

async function blockOf(checkpoint: Checkpoint, layer: number, kind: "attention" | "mlp") {
  const weights = await modelWeights(checkpoint);
  const { languageModel } = describeModel(await readJson(checkpoint, "config.json"), weights.specs);
  const found = languageModel.layers[layer];
  if (found === undefined) throw new TypeError(`there is no layer ${layer}`);
  const { attention, mlp } = found;
  const { qProj, kProj, vProj, oProj } = attention;
  const linears: readonly Linear[] =
    kind === "attention"
      ? [qProj, kProj, vProj, oProj]
      : mlp.kind === "gated"
        ? [mlp.gateProj, mlp.upProj, mlp.downProj]
        : [mlp.fc1, mlp.fc2];
  return { weights, attention, linears };
}

/** Every fourth neuron gone, or the last group of heads; what stays of the last linear is scaled. */
async function prunedBlock(
  checkpoint: Checkpoint,
  layer: number,
  kind: "attention" | "mlp",
): Promise<Replacements> {
  const { weights, attention, linears } = await blockOf(checkpoint, layer, kind);
  const { numHeads, numKvHeads, headDim } = attention;
  const groups = numKvHeads - 1;
  const count = (of: number) => [...Array(of).keys()];
  const keptOf = ({ outFeatures }: Linear, n: number) =>
    kind === "mlp"
      ? count(outFeatures).filter((i) => i % 4 !== 1)
      : count((n === 0 ? (groups * numHeads) / numKvHeads : groups) * headDim);
  const last = linears.at(-1) as Linear;
  const replacements = new Map<string, ReplacedTensor>();
  for (const [n, linear] of linears.slice(0, -1).entries()) {
    const kept = keptOf(linear, n);
    for (const name of [linear.weight, linear.bias]) {
      if (name === undefined) continue;
      const width = name === linear.weight ? linear.inFeatures : 1;
      const data = await readFloats(weights, name);
      const rows = kept.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
      replacements.set(name, {
        shape: name === linear.weight ? [kept.length, width] : [kept.length],
        data: Float32Array.from(rows),
      });
    }
  }
  const kept = keptOf(linears[0] as Linear, 0);
  const data = await readFloats(weights, last.weight);
  const columns = count(last.outFeatures).flatMap((row) =>
    kept.map((column) => 1.125 * (data[row * last.inFeatures + column] as number)),
  );
  replacements.set(last.weight, {
    shape: [last.outFeatures, kept.length],
    data: Float32Array.from(columns),
  });
  return replacements;
}
