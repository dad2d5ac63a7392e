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
import { type FormatChoice, tooSmall } from "./budget/choose-formats.ts";
import type { MeasureFormatsOptions } from "./budget/measure-formats.ts";
import { type ChosenFormats, checkBudget, type QuantizationBudget } from "./budget/quantization-budget.ts";
import { schemesByBudget } from "./budget/schemes-by-budget.ts";
import type { BlockReport, Calibration } from "./calibration.ts";
import { type CompressLayersOptions, compressLayers } from "./compress-layers.ts";
import { type Compression, needsData, pruningTargets, scorersOf } from "./compression.ts";
import { filesOf } from "./compression-files.ts";
import type { QuantizationMethod } from "./methods/quantization-method.ts";
import { defaultQuantizationMethod, quantizationMethodNamed } from "./methods/quantization-methods.ts";
import { previewCompression } from "./preview-compression.ts";
import type { BlockQuantization } from "./quantize-block.ts";
import { readModel } from "./read-model.ts";
import { requestAfter } from "./renumbered-overrides.ts";
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
  /** Chooses each linear's scheme by data; `scheme` is then that of linears that no data reach. */
  readonly budget?: QuantizationBudget | undefined;
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
  /** While a budget's formats are measured: called before the first block with 0, and after each. */
  readonly onMeasured?: MeasureFormatsOptions["onBlock"];
}

const compressRules: Rules<CompressOptions> = {
  ...rewriteRules,
  calibration: func,
  quantize: object,
  overwrite: flag,
  baseModel: name,
  onBlock: func,
  onMeasured: func,
};

export interface Compressed {
  readonly plan: PruningPlan;
  /** Of each block in order; none where weights alone decided. */
  readonly reports: readonly BlockReport[];
  /** What rounding made of the targets, and other words for whoever asked. */
  readonly notes: readonly string[];
  readonly quantization: QuantizationAfter | undefined;
  /** Where a budget chose. */
  readonly formats?: ChosenFormats | undefined;
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
  const {
    calibration,
    quantize: asked,
    overwrite = false,
    baseModel,
    onBlock,
    onMeasured,
    ...rewriting
  } = options;
  const { method: methodName, budget, ...request } = asked ?? {};
  const quantize = asked && (request as QuantizationRequest);
  const method = asked && methodOf(spec, methodName, budget);
  if (budget !== undefined) checkBudget(budget);
  const model = await readModel(source);
  const sink = folderSink(output, { overwrite });
  await using _claim = await sink.claim(inputPaths(source));
  // What the model cannot be is said before anything is read.
  const { notes: rounded } = planSizes(model, pruningTargets(spec));
  if (!needsData(spec) && method === undefined) {
    const plan = await planByWeights(source, model, byWeights(spec), signalOf(rewriting));
    const after =
      quantize &&
      (await quantizationAfter(
        source,
        pruningTransform(plan),
        plan.config,
        requestAfter(quantize, model.layers, plan),
      ));
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
  if (quantize !== undefined) await checkedPreview(source, spec, quantize, budget, signalOf(rewriting));
  const opened = await calibration();
  const store = await openBlockStore(workFolder(output), source, {
    compression: JSON.stringify(spec),
    model: await checkpointFingerprint(source, rewriting.signal),
    data: opened.fingerprint,
    ...(method === undefined
      ? {}
      : { quantization: JSON.stringify({ ...quantize, budget, method: method.name }) }),
  });
  let chosen: FormatChoice | undefined;
  const requested = () => quantize && { ...quantize, ...(chosen && { overrides: chosen.overrides }) };
  const { plan, reports, notes } = await compressLayers(source, model, spec, opened, store, {
    signal: rewriting.signal,
    onBlock,
    quantize: async (sizes, dropped) => {
      if (quantize === undefined || method === undefined) return undefined;
      if (budget !== undefined) {
        const { signal } = rewriting;
        const how = { request: quantize, budget, method, signal, onBlock: onMeasured };
        chosen = await store.found("formats", () =>
          schemesByBudget(source, model, sizes, dropped, opened, how),
        );
      }
      return blockQuantization(model, source, method, requested() ?? quantize);
    },
  });
  const asPruned = requested();
  const formats = chosen?.chosen;
  const encoded = await encodedWeights(store, reports.length, plan);
  const repaired = await openRepaired(store, reports.length);
  try {
    const repairedSource = withTensorsOf(source, repaired);
    const applied = remainingCuts(plan, new Set(repaired.flatMap(({ tensors }) => [...tensors.keys()])));
    const after =
      asPruned &&
      (await quantizationAfter(
        repairedSource,
        pruningTransform(applied),
        plan.config,
        requestAfter(asPruned, model.layers, plan),
        encoded,
      ));
    await writeCompressed(repairedSource, applied, sink, after, {
      ...rewriting,
      files: {
        ...filesOf({ plan, reports, after, formats }, baseModel, { spec, about: opened.about }),
        ...rewriting.files,
      },
    });
    await store.remove();
    const all = [...notes, ...fewTokens(reports, opened), ...(after?.plan.notes ?? [])];
    return { plan, reports, notes: all, quantization: after, ...(formats && { formats }) };
  } finally {
    for (const checkpoint of repaired) await checkpoint.close();
  }
}

/** The method that rounds by data, if any does. */
function methodOf(
  spec: Compression,
  name: string | undefined,
  budget: QuantizationBudget | undefined,
): QuantizationMethod | undefined {
  if (name === undefined && budget === undefined && !needsData(spec)) return undefined;
  return quantizationMethodNamed(name ?? defaultQuantizationMethod);
}

/** @throws {PruningError} where the compression does not fit the model, or nothing within the budget is left of it */
async function checkedPreview(
  source: Checkpoint,
  spec: Compression,
  request: QuantizationRequest,
  budget: QuantizationBudget | undefined,
  options: ReturnType<typeof signalOf>,
): Promise<void> {
  const schemes = budget === undefined ? [request.scheme] : budget.candidates.map(({ scheme }) => scheme);
  const sizes: number[] = [];
  for (const scheme of schemes) {
    const { quantization } = await previewCompression(source, spec, { ...request, scheme }, options);
    const { bytes = 0, bitsPerWeight = 0 } = quantization?.plan.after ?? {};
    sizes.push(budget?.bits === undefined ? bytes : bitsPerWeight);
  }
  const most = budget && (budget.bits ?? budget.bytes);
  if (budget !== undefined && most !== undefined && Math.min(...sizes) > most)
    throw tooSmall(budget, Math.min(...sizes));
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
