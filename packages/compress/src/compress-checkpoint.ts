import { checkOptions, flag, func, name, object, type Rules } from "@vlmopt/options";
import {
  applyPruning,
  PruningError,
  type PruningModel,
  type PruningPlan,
  planByWeights,
  planSizes,
  pruningTransform,
} from "@vlmopt/pruning";
import { type EncodedWeight, type QuantizationRequest, schemeOfLinear } from "@vlmopt/quant";
import {
  type Checkpoint,
  checkpointFingerprint,
  folderSink,
  inputPaths,
  type RewriteOptions,
  rewriteRules,
  tensorNamed,
} from "@vlmopt/tensor-io";
import { type BlockStore, openBlockStore } from "./block-store.ts";
import type { BlockReport, Calibration } from "./calibration.ts";
import { type CompressLayersOptions, compressLayers } from "./compress-layers.ts";
import { type Compression, needsData, pruningTargets, scorersOf } from "./compression.ts";
import { filesOf } from "./compression-files.ts";
import type { QuantizationMethod } from "./methods/quantization-method.ts";
import { defaultQuantizationMethod, quantizationMethodNamed } from "./methods/quantization-methods.ts";
import { previewCompression } from "./preview-compression.ts";
import type { BlockQuantization } from "./quantize-block.ts";
import { readModel } from "./read-model.ts";
import {
  type QuantizationAfter,
  quantizationAfter,
  remainingCuts,
  withTensorsOf,
  writeCompressed,
} from "./write-compressed.ts";

/** How what stays is quantized. */
export interface QuantizeRequest extends QuantizationRequest {
  /**
   * Name of a method that rounds by data, block by block, so that blocks behind make up for it. By default `gptq` where data choose what goes, and
   * otherwise none: then weights alone decide.
   */
  readonly method?: string | undefined;
}

export interface CompressOptions extends RewriteOptions {
  /** Needed unless the compression chooses by weights alone. Opened once the output has a place. */
  readonly calibration?: (() => Promise<Calibration>) | undefined;
  /** Stores what stays in fewer bits, in the same pass. */
  readonly quantize?: QuantizeRequest | undefined;
  /** Replaces an output that vlmopt wrote. */
  readonly overwrite?: boolean | undefined;
  /** Name of the dense model, for the card. */
  readonly baseModel: string;
  readonly onBlock?: CompressLayersOptions["onBlock"];
}

const compressRules: Rules<CompressOptions> = {
  ...rewriteRules,
  calibration: func,
  quantize: object,
  overwrite: flag,
  baseModel: name,
  onBlock: func,
};

export interface Compressed {
  readonly plan: PruningPlan;
  /** Of each block in order; none where weights alone decided. */
  readonly reports: readonly BlockReport[];
  /** What rounding made of the targets, and other words for whoever asked. */
  readonly notes: readonly string[];
  readonly quantization: QuantizationAfter | undefined;
}

/** Beside the output, what an interrupted compression has done so far. */
export function workFolder(output: string): string {
  return `${output.replace(/[/\\]+$/, "")}.compressing`;
}

/**
 * Prunes a model, repairs what stays with data, quantizes it, and writes it, with `pruning.json`, `compression.json` and a model card. What was
 * done of an interrupted compression lies in `workFolder(output)`; the same call goes on behind it.
 * @throws {PruningError | ConfigError} where the compression does not fit the model, or data is missing
 */
export async function compressCheckpoint(
  source: Checkpoint,
  spec: Compression,
  output: string,
  options: CompressOptions,
): Promise<Compressed> {
  checkOptions("compressCheckpoint", options, compressRules, ["baseModel"]);
  const { calibration, quantize: asked, overwrite = false, baseModel, onBlock, ...rewriting } = options;
  const { method: methodName, ...request } = asked ?? {};
  const quantize = asked && (request as QuantizationRequest);
  const method = asked && methodOf(spec, methodName);
  const model = await readModel(source);
  const sink = folderSink(output, { overwrite });
  await using _claim = await sink.claim(inputPaths(source));
  // What the model cannot be is said before anything is read.
  const { notes: rounded } = planSizes(model, pruningTargets(spec));
  if (!needsData(spec) && method === undefined) {
    const plan = await planByWeights(source, model, byWeights(spec), signalOf(rewriting));
    const after =
      quantize && (await quantizationAfter(source, pruningTransform(plan), plan.config, quantize));
    await applyPruning(source, plan, sink, {
      ...rewriting,
      ...(after === undefined ? {} : { andThen: after.quantization }),
      files: { ...filesOf({ plan, reports: [], after }, baseModel), ...rewriting.files },
    });
    return { plan, reports: [], notes: [...rounded, ...(after?.plan.notes ?? [])], quantization: after };
  }
  if (calibration === undefined) {
    throw new PruningError(
      `${needsData(spec) ? "choosing what goes" : `rounding by ${method?.name}`} takes calibration data, and none was given`,
      "give data, or choose by weights alone, which is worse than chance on trained language models",
    );
  }
  if (quantize !== undefined) await previewCompression(source, spec, quantize, signalOf(rewriting));
  const opened = await calibration();
  const store = await openBlockStore(workFolder(output), source, {
    compression: JSON.stringify(spec),
    model: await checkpointFingerprint(source, rewriting.signal),
    data: opened.fingerprint,
    ...(method === undefined ? {} : { quantization: JSON.stringify({ ...quantize, method: method.name }) }),
  });
  const { plan, reports, notes } = await compressLayers(source, model, spec, opened, store, {
    signal: rewriting.signal,
    onBlock,
    quantize: method && quantize && blockQuantization(model, source, method, quantize),
  });
  const encoded = await encodedWeights(store, reports.length, plan);
  const repaired = await openRepaired(store, reports.length);
  try {
    const repairedSource = withTensorsOf(source, repaired);
    const applied = remainingCuts(plan, new Set(repaired.flatMap(({ tensors }) => [...tensors.keys()])));
    const after =
      quantize &&
      (await quantizationAfter(repairedSource, pruningTransform(applied), plan.config, quantize, encoded));
    await writeCompressed(repairedSource, applied, sink, after, {
      ...rewriting,
      files: {
        ...filesOf({ plan, reports, after }, baseModel, { spec, about: opened.about }),
        ...rewriting.files,
      },
    });
    await store.remove();
    const all = [...notes, ...fewTokens(reports, opened), ...(after?.plan.notes ?? [])];
    return { plan, reports, notes: all, quantization: after };
  } finally {
    for (const checkpoint of repaired) await checkpoint.close();
  }
}

/** The method that rounds by data, if any does. */
function methodOf(spec: Compression, name: string | undefined): QuantizationMethod | undefined {
  if (name === undefined && !needsData(spec)) return undefined;
  return quantizationMethodNamed(name ?? defaultQuantizationMethod);
}

function blockQuantization(
  { description }: PruningModel,
  source: Checkpoint,
  method: QuantizationMethod,
  request: QuantizationRequest,
): BlockQuantization {
  const linears = new Map(description?.weights.map((weight) => [weight.name, weight]));
  return {
    method,
    formats: request.formats,
    schemeOf(name, shape) {
      const linear = linears.get(name);
      if (linear === undefined) return undefined;
      const scheme = schemeOfLinear({ ...linear, shape }, { ...tensorNamed(source, name), shape }, request);
      return typeof scheme === "string" ? undefined : scheme;
    },
  };
}

/** By the names that they have once layers before them are gone. */
async function encodedWeights(
  store: BlockStore,
  count: number,
  { rename }: PruningPlan,
): Promise<Map<string, EncodedWeight>> {
  const all = new Map<string, EncodedWeight>();
  for (let index = 0; index < count; index++) {
    for (const [name, weight] of await store.encoded(index))
      all.set(Object.hasOwn(rename, name) ? (rename[name] as string) : name, weight);
  }
  return all;
}

/** What data of fewer tokens than a linear has columns leave open. */
function fewTokens(reports: readonly BlockReport[], { about }: Calibration): string[] {
  const fits = reports.filter(({ lambda }) => lambda !== undefined);
  const few = fits.filter(({ underdetermined }) => underdetermined);
  if (few.length === 0) return [];
  const tokens = about.tokens === undefined ? "the data's tokens" : `${about.tokens} tokens`;
  return [
    `${tokens} are fewer than the columns of ${few.length} of ${fits.length} linears that were fitted: where the data say nothing, the pull towards the old weights decides (λ = ${few[0]?.lambda}); more data would help`,
  ];
}

function byWeights(spec: Compression) {
  const { neurons, heads } = scorersOf({ ...spec, byWeights: true });
  return { ...pruningTargets(spec), scores: { neurons, heads }, seed: spec.seed };
}

function signalOf({ signal, workers }: RewriteOptions) {
  return {
    ...(signal === undefined ? {} : { signal }),
    ...(workers === undefined ? {} : { workers }),
  };
}

async function openRepaired(store: BlockStore, count: number): Promise<Checkpoint[]> {
  const opened: Checkpoint[] = [];
  for (let index = 0; index < count; index++) {
    const checkpoint = await store.open(index);
    if (checkpoint !== undefined) opened.push(checkpoint);
  }
  return opened;
}
