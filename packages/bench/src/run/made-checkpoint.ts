import { mkdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describeModel, editConfig } from "@vlmopt/models";
import { applyPruning, type PruningPlan, planByRecipe, pruningCard, pruningTransform } from "@vlmopt/pruning";
import {
  joinedMagnitudes,
  planQuantization,
  quantization,
  quantizationSection,
  quantizeCheckpoint,
  schemeNamed,
  weightCounts,
} from "@vlmopt/quant";
import { type Checkpoint, openCheckpoint, transformedSpecs } from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import { type PruneSpec, pruningRecipe } from "../recipe/prune-spec.ts";
import type { QuantizeSpec } from "../recipe/recipe.ts";
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
  readonly onProgress?: ((bytes: number, totalBytes: number) => void) | undefined;
}

/** Changes with how checkpoints are made, so that those of earlier versions are not taken for today's. */
const MADE_VERSION = 1;

/**
 * Makes a variant's checkpoint, pruned and quantized in one pass, unless it has been made before. Where the cache then holds more than its limit,
 * what was unused longest goes.
 */
export async function makeCheckpoint(
  model: string,
  transforms: { readonly prune: PruneSpec | undefined; readonly quantize: QuantizeSpec | undefined },
  options: MakeOptions = {},
): Promise<MadeCheckpoint> {
  const { prune, quantize } = transforms;
  const cache = options.cache ?? madeFolder();
  const source = await checkpointHash(model, join(cache, "hashes"), options.signal);
  if (prune === undefined && quantize === undefined) {
    return { folder: model, hash: source, ...(await described(model, undefined)), release: async () => {} };
  }
  const limit = madeLimit();
  const hash = textHash(JSON.stringify([MADE_VERSION, source, prune ?? null, quantize ?? null]));
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
  await using checkpoint = await openCheckpoint(folder);
  const { size, dtype } = await sizeOf(checkpoint);
  return { size, precision: quantize?.scheme ?? dtype };
}

async function make(
  model: string,
  folder: string,
  { prune, quantize }: Parameters<typeof makeCheckpoint>[1],
  { signal, onProgress }: MakeOptions,
): Promise<void> {
  await using source = await openCheckpoint(model);
  const passing = {
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined
      ? {}
      : {
          onProgress: (done: { bytes: number; totalBytes: number }) =>
            onProgress(done.bytes, done.totalBytes),
        }),
  };
  const config = await configText(source);
  const request = quantize && {
    scheme: schemeNamed(quantize.scheme, quantize.preset),
    made: { ...quantize },
  };
  if (prune === undefined) {
    if (request === undefined) return;
    const plan = planQuantization(describeModel(JSON.parse(config), source.tensors), source.tensors, request);
    await quantizeCheckpoint(source, plan, folder, passing);
    return;
  }
  const description = describeModel(JSON.parse(config), source.tensors);
  const target = {
    tensors: source.tensors,
    layers: description.languageModel.layers,
    description,
    config: JSON.parse(config) as unknown,
  };
  const plan = await planByRecipe(
    source,
    target,
    pruningRecipe(prune),
    signal === undefined ? {} : { signal },
  );
  const next = request && (await quantizationAfter(source, config, plan, request));
  await applyPruning(source, plan, folder, {
    ...passing,
    ...(next === undefined ? {} : { andThen: next.andThen }),
    files: {
      "pruning.json": `${JSON.stringify(plan, null, 2)}\n`,
      "README.md":
        pruningCard(plan, basename(model)) + (next === undefined ? "" : quantizationSection(next.plan)),
    },
  });
}

/** Decided by names and shapes of what the pruning leaves, before it is there. */
async function quantizationAfter(
  source: Checkpoint,
  config: string,
  pruning: PruningPlan,
  request: Parameters<typeof planQuantization>[2],
) {
  const transform = pruningTransform(pruning);
  const tensors = transformedSpecs(source.tensors, transform);
  const description = describeModel(JSON.parse(editConfig(config, pruning.config)), tensors);
  const plan = planQuantization(description, tensors, request);
  const magnitudes = await joinedMagnitudes(source, plan, transform);
  return { plan, andThen: quantization(plan, { magnitudes }) };
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
