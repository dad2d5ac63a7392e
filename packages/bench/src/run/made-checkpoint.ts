import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Compression, compressCheckpoint } from "@vlmopt/compress";
import { describeModel } from "@vlmopt/models";
import { openCheckpointOrGguf, planQuantization, quantizeCheckpoint, weightCounts } from "@vlmopt/quant";
import { type Recovery, recoverCheckpoint } from "@vlmopt/recover";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import type { CalibrationSet } from "../calibration/calibration-set.ts";
import { modelCalibration } from "../calibration/model-calibration.ts";
import { modelTeaching } from "../calibration/model-teaching.ts";
import { precisionOf, type QuantizeSpec, schemesOf } from "../recipe/recipe.ts";
import { replaceFile } from "../records/run-folder.ts";
import type { ModelSize } from "../records/run-summary.ts";
import { checkpointHash, textHash } from "./content-hash.ts";
import { clearMade, madeFolder, madeLimit, type UseOptions, useMade } from "./made-cache.ts";

export interface MadeCheckpoint {
  readonly folder: string;
  /** Of what it was made from and how: equal hashes are equal bytes. */
  readonly hash: string;
  readonly size: ModelSize;
  /** `f16`, `bf16`, `f32`, or the scheme. */
  readonly precision: string;
  /** Lets the cache delete it. */
  release(): Promise<void>;
}

export interface MakeOptions extends UseOptions {
  /** False where its size is all that is wanted: then it is not made if that is known. Wanted unless told. */
  readonly isWanted?: ((hash: string) => boolean) | undefined;
  /** Folder of made checkpoints; below VLMOPT_CACHE, else the user's cache, unless told. */
  readonly cache?: string | undefined;
  /** Told what is being done to the model while it is compressed. */
  readonly onStep?:
    | ((step: "answering" | "compressing" | "recovering", done: number, total: number) => void)
    | undefined;
}

/** What becomes of a model. */
export interface Transforms {
  readonly prune: Compression | undefined;
  /** What it reads while it is pruned, where that matters. */
  readonly calibrate: CalibrationSet | undefined;
  /** How it learns from the model as it came, once it is pruned. */
  readonly recover?: { readonly recovery: Recovery; readonly data: CalibrationSet } | undefined;
  readonly quantize: QuantizeSpec | undefined;
}

/** Changes with how checkpoints are made, so that those of earlier versions are not taken for today's. */
const MADE_VERSION = 3;

/**
 * Makes a variant's checkpoint, pruned and quantized in one pass, unless it has been made before. Where the cache then holds more than its limit,
 * what was unused longest goes.
 */
export async function makeCheckpoint(
  model: string,
  transforms: Transforms,
  options: MakeOptions = {},
): Promise<MadeCheckpoint> {
  const { prune, calibrate, recover, quantize } = transforms;
  const cache = options.cache ?? madeFolder();
  const source = await checkpointHash(model, join(cache, "hashes"), options.signal);
  if (prune === undefined && quantize === undefined) {
    return { folder: model, hash: source, ...(await described(model, undefined)), release: async () => {} };
  }
  const limit = madeLimit();
  const hash = textHash(
    JSON.stringify([
      ...[MADE_VERSION, source, prune ?? null, calibrate?.hash ?? null, quantize ?? null],
      ...(recover === undefined ? [] : [recover.recovery, recover.data.hash]),
    ]),
  );
  const name = `${basename(model)}-${hash.slice(0, 16)}`;
  const folder = join(cache, name);
  const remembered = join(cache, "sizes", hash);
  if (options.isWanted?.(hash) === false) {
    const known = await readFile(remembered, "utf8").catch(() => undefined);
    if (known !== undefined)
      return { folder, hash, ...(JSON.parse(known) as Described), release: async () => {} };
  }
  const use = await useMade(cache, name, (place) => make(model, place, transforms, options), options);
  try {
    const description = await described(folder, quantize);
    await mkdir(dirname(remembered), { recursive: true });
    await replaceFile(remembered, JSON.stringify(description));
    await clearMade({ cache, downTo: limit });
    return { folder, hash, ...description, release: async () => use[Symbol.asyncDispose]() };
  } catch (error) {
    await use[Symbol.asyncDispose]();
    throw error;
  }
}

type Described = Pick<MadeCheckpoint, "size" | "precision">;

async function described(folder: string, quantize: QuantizeSpec | undefined): Promise<Described> {
  await using checkpoint = await openCheckpointOrGguf(folder);
  const { size, dtype } = await sizeOf(checkpoint);
  return { size, precision: quantize === undefined ? dtype : precisionOf(quantize) };
}

async function make(
  model: string,
  folder: string,
  transforms: Transforms,
  options: MakeOptions,
): Promise<void> {
  if (transforms.recover !== undefined) return makeRecovered(model, folder, transforms, options);
  const { prune, calibrate, quantize } = transforms;
  const { signal, onStep } = options;
  if (calibrate !== undefined && quantize !== undefined && quantize.method === undefined) {
    // Data take minutes, and most recipes want the same pruning in several precisions.
    const { isWanted: _, ...rest } = options;
    const pruned = await makeCheckpoint(model, { prune, calibrate, quantize: undefined }, rest);
    try {
      await make(pruned.folder, folder, { prune: undefined, calibrate: undefined, quantize }, rest);
    } finally {
      await pruned.release();
    }
    return;
  }
  await using source = await openCheckpointOrGguf(model);
  const passing = signal === undefined ? {} : { signal };
  const request = quantize && {
    ...schemesOf(quantize),
    made: madeOf(quantize),
    ...(quantize.method === undefined ? {} : { method: quantize.method }),
  };
  if (prune !== undefined || quantize?.method !== undefined) {
    await compressCheckpoint(source, prune ?? {}, folder, {
      ...passing,
      baseModel: basename(model),
      quantize: request,
      onBlock: (done, total) => onStep?.("compressing", done, total),
      ...(calibrate === undefined
        ? {}
        : {
            calibration: () =>
              modelCalibration(source, model, calibrate, {
                signal,
                onAnswers: (done, total) => onStep?.("answering", done, total),
              }),
          }),
    });
  } else if (request !== undefined) {
    const description = describeModel(JSON.parse(await configText(source)), source.tensors);
    const plan = planQuantization(description, source.tensors, request);
    await quantizeCheckpoint(source, plan, folder, passing);
  }
}

/** Pruned and recovered models are made by themselves: recipes want them in several precisions. */
async function makeRecovered(
  model: string,
  folder: string,
  { recover, quantize, ...pruning }: Transforms,
  options: MakeOptions,
): Promise<void> {
  const { isWanted: _, ...rest } = options;
  const { signal, onStep } = options;
  const before = await makeCheckpoint(
    model,
    { ...pruning, quantize: undefined, ...(quantize === undefined ? {} : { recover }) },
    rest,
  );
  try {
    if (quantize !== undefined) {
      const { calibrate } = pruning;
      await make(before.folder, folder, { prune: undefined, calibrate, quantize }, rest);
      return;
    }
    const { recovery, data } = recover as NonNullable<Transforms["recover"]>;
    await using student = await openCheckpointOrGguf(before.folder);
    await using teacher = await openCheckpointOrGguf(model);
    await recoverCheckpoint(student, teacher, folder, recovery, {
      ...(signal === undefined ? {} : { signal }),
      baseModel: basename(model),
      teaching: () =>
        modelTeaching(student, teacher, model, data, {
          signal,
          onAnswers: (done, total) => onStep?.("answering", done, total),
        }),
      onStep: ({ step, steps = step }) => onStep?.("recovering", step, steps),
    });
  } finally {
    await before.release();
  }
}

function madeOf({ scheme, preset, method, bits, bytes }: QuantizeSpec): Record<string, string | number> {
  return {
    scheme,
    preset,
    ...(bits === undefined ? {} : { bits }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(method === undefined ? {} : { method }),
  };
}

async function configText(source: Checkpoint): Promise<string> {
  const bytes = await source.readSibling("config.json");
  if (bytes === undefined)
    throw new BenchError(`${source.location}: config.json is not there`, "name the folder of a whole model");
  return new TextDecoder().decode(bytes);
}

/** Weights that are stored in few bits count as the numbers that they stand for. */
async function sizeOf(checkpoint: Checkpoint): Promise<{ size: ModelSize; dtype: string }> {
  const parameters = [...(await weightCounts(checkpoint)).values()].reduce((sum, count) => sum + count, 0);
  let bytes = 0;
  const byDtype = new Map<string, number>();
  for (const { dtype, byteLength } of checkpoint.tensors.values()) {
    bytes += byteLength;
    byDtype.set(dtype, (byDtype.get(dtype) ?? 0) + byteLength);
  }
  const [largest] = [...byDtype].sort(([, a], [, b]) => b - a);
  return {
    size: { bytes, parameters, bitsPerWeight: parameters === 0 ? 0 : (8 * bytes) / parameters },
    dtype: (largest?.[0] ?? "").toLowerCase(),
  };
}
