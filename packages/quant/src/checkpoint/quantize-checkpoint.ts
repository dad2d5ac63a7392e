import { type ConfigEdit, editedConfig } from "@vlmopt/models";
import { anything, checkOptions, flag, object } from "@vlmopt/options";
import {
  builtModule,
  type Checkpoint,
  type RewriteOptions,
  type RewriteResult,
  rewriteCheckpoint,
  rewriteRules,
  type Sink,
  type Transform,
} from "@vlmopt/tensor-io";
import { assertConfigSays } from "../formats/config.ts";
import type { Format } from "../formats/format.ts";
import { formatNamed, formats } from "../formats/formats.ts";
import type { Scheme } from "../formats/scheme.ts";
import type { FormatStageOptions } from "./format-stage.ts";
import { joinedMagnitudes } from "./joined-magnitudes.ts";
import { modelName, quantizationCard } from "./quantization-card.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { QuantizationPlan } from "./quantization-plan.ts";
import { FIGURES } from "./squared-error.ts";
import type { StoredPart } from "./stored-part.ts";

export interface QuantizeOptions extends RewriteOptions {
  /** Decodes what was encoded and compares: `errors` of the result. */
  readonly measure?: boolean;
  /** `[...formats, yours]`, where the plan's schemes have others than vlmopt's. */
  readonly formats?: readonly Format[];
}

export interface QuantizeResult extends RewriteResult {
  /** Σ (weight − decoded)² / Σ weight² of each quantized tensor, where it was measured. */
  readonly errors: ReadonlyMap<string, number>;
}

/**
 * Carries a plan out, in one pass over the checkpoint. config.json is changed as the plan says, the plan (quantization.json) and a model card
 * (README.md) are written; other files of the folder go along.
 * @throws {QuantizationError} where the plan names tensors that the checkpoint lacks, or its configuration says otherwise than its groups
 * @throws {CheckpointError} `unsupported-conversion` where a weight is infinite or NaN, naming it
 */
export async function quantizeCheckpoint(
  source: Checkpoint,
  plan: QuantizationPlan,
  sink: Sink | string,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  checkOptions("quantizeCheckpoint", options, { ...rewriteRules, measure: flag, formats: anything });
  const names = plan.groups.flatMap(({ tensors }) => tensors);
  const missing = names.filter((name) => !source.tensors.has(name));
  if (missing.length > 0) {
    throw new QuantizationError(
      `the plan names ${missing.length} tensors that ${source.location} lacks, ${missing[0]} among them`,
      "apply a plan to the checkpoint that it was made for",
    );
  }
  const { measure = false, formats: among = formats, ...rewriting } = options;
  const magnitudes = await joinedMagnitudes(source, plan);
  const { transform, config, errors } = quantization(plan, { measure, magnitudes, formats: among });
  const result = await rewriteCheckpoint(source, transform, sink, {
    refuseNonFinite: true,
    ...rewriting,
    files: {
      "README.md": quantizationCard(plan, modelName(source)),
      "quantization.json": `${JSON.stringify(plan, null, 2)}\n`,
      ...(await editedConfig(source, config)),
      ...options.files,
    },
  });
  return { ...result, errors: errors() };
}

/** A plan as what one pass needs. */
export interface Quantization {
  readonly transform: Transform;
  /** Changes of config.json. */
  readonly config: readonly ConfigEdit[];
  /** See `QuantizeResult`; filled as the pass goes on. */
  errors(): ReadonlyMap<string, number>;
}

export interface QuantizationOptions {
  /** See `QuantizeOptions`. */
  readonly measure?: boolean;
  /** From `joinedMagnitudes`, for plans that join weights. */
  readonly magnitudes?: ReadonlyMap<string, number>;
  /** See `QuantizeOptions`. */
  readonly formats?: readonly Format[];
  /** Weights of the plan that were encoded before, by their names in the plan. */
  readonly encoded?: ReadonlyMap<string, EncodedWeight>;
}

/** A weight that was encoded before. */
export interface EncodedWeight {
  /** Of the format's outputs that are not constant. */
  readonly parts: readonly StoredPart[];
  /** Σ (weight − decoded)² / Σ weight². */
  readonly error: number;
}

/**
 * The plan as a transform, to compose with others: pruning and quantizing takes one pass.
 * @throws {QuantizationError} where the magnitudes of joined weights are missing, or the plan's configuration says otherwise than its groups
 */
export function quantization(plan: QuantizationPlan, options: QuantizationOptions = {}): Quantization {
  checkOptions("quantization", options, {
    measure: flag,
    magnitudes: object,
    formats: anything,
    encoded: object,
  });
  const { measure = false, magnitudes = new Map(), formats: among = formats, encoded = new Map() } = options;
  assertConfigSays(plan, among);
  const unknown = plan.joined.flat().find((name) => !magnitudes.has(name));
  if (unknown !== undefined) {
    throw new QuantizationError(
      `the plan scales ${unknown} together with others and their largest magnitude is not given`,
      "pass what joinedMagnitudes finds in the checkpoint",
    );
  }
  const names = plan.groups.flatMap(({ tensors }) => tensors);
  const sums = measure ? new SharedArrayBuffer(names.length * FIGURES * 8) : undefined;
  return {
    transform: quantizationTransform(plan, magnitudes, among, encoded, sums),
    config: plan.config,
    errors: () => errorsOf(names, sums, encoded),
  };
}

/** @param sums where squared errors are added up, two F64 for each tensor of the plan in order */
function quantizationTransform(
  plan: QuantizationPlan,
  magnitudes: ReadonlyMap<string, number>,
  among: readonly Format[],
  encoded: ReadonlyMap<string, EncodedWeight>,
  sums?: SharedArrayBuffer,
): Transform {
  const module = builtModule("format-stage", import.meta.url);
  const chosen = new Map<string, { scheme: Scheme; index: number }>();
  for (const { scheme, tensors } of plan.groups) {
    for (const name of tensors) chosen.set(name, { scheme, index: chosen.size });
  }
  return (tensor) => {
    const choice = chosen.get(tensor.name);
    if (choice === undefined) return undefined;
    const magnitude = magnitudes.get(tensor.name);
    const format = formatNamed(choice.scheme.format, among);
    const before = encoded.get(tensor.name);
    const options: FormatStageOptions =
      before === undefined
        ? {
            ...choice,
            ...(sums === undefined ? {} : { sums }),
            ...(magnitude === undefined ? {} : { magnitude }),
          }
        : { encoded: before.parts };
    return {
      stage: { module: format.module ?? module, options },
      outputs: format.outputs(tensor, choice.scheme),
    };
  };
}

function errorsOf(
  names: readonly string[],
  sums: SharedArrayBuffer | undefined,
  encoded: ReadonlyMap<string, EncodedWeight>,
): Map<string, number> {
  if (sums === undefined) return new Map();
  const figures = new Float64Array(sums);
  return new Map(
    names.map((name, i) => {
      const before = encoded.get(name);
      if (before !== undefined) return [name, before.error];
      const [error, energy] = figures.subarray(i * FIGURES, (i + 1) * FIGURES);
      return [name, energy === 0 ? 0 : (error as number) / (energy as number)];
    }),
  );
}
