import {
  type ConfigEdit,
  describeModel,
  editConfig,
  editedConfig,
  type ModelDescription,
} from "@vlmopt/models";
import { type PruningPlan, pruningTransform } from "@vlmopt/pruning";
import {
  type EncodedWeight,
  joinedMagnitudes,
  planQuantization,
  type Quantization,
  type QuantizationPlan,
  type QuantizationRequest,
  quantization,
} from "@vlmopt/quant";
import {
  type Checkpoint,
  compose,
  type RewriteOptions,
  type RewriteResult,
  rewriteCheckpoint,
  type Sink,
  type TensorSpec,
  type Transform,
  transformedSpecs,
} from "@vlmopt/tensor-io";

/** How what pruning leaves is quantized, decided by its names and shapes before it is there. */
export interface QuantizationAfter {
  readonly plan: QuantizationPlan;
  /** Of the pruned model. */
  readonly description: ModelDescription;
  readonly quantization: Quantization;
}

/**
 * @param source with new weights in place already
 * @param config edits of config.json that pruning makes
 * @param encoded weights that were rounded while the model was walked through, by the names that they will have
 */
export async function quantizationAfter(
  source: Checkpoint,
  transform: Transform,
  config: readonly ConfigEdit[],
  request: QuantizationRequest,
  encoded: ReadonlyMap<string, EncodedWeight> = new Map(),
): Promise<QuantizationAfter> {
  const { description, tensors } = await modelAfter(source, transform, config);
  const plan = planQuantization(description, tensors, request);
  const magnitudes = await joinedMagnitudes(source, plan, transform);
  const { formats } = request;
  const options = { measure: true, magnitudes, encoded, ...(formats === undefined ? {} : { formats }) };
  return { plan, description, quantization: quantization(plan, options) };
}

/** The model that pruning leaves. */
export async function modelAfter(
  source: Checkpoint,
  transform: Transform,
  config: readonly ConfigEdit[],
): Promise<{ description: ModelDescription; tensors: ReadonlyMap<string, TensorSpec> }> {
  const bytes = (await source.readSibling("config.json")) ?? new Uint8Array();
  const edited: unknown = JSON.parse(editConfig(new TextDecoder().decode(bytes), config));
  const tensors = transformedSpecs(source.tensors, transform);
  return { description: describeModel(edited, tensors), tensors };
}

/** A checkpoint some of whose tensors are those of others, which may have other shapes. Closing it closes none of them. */
export function withTensorsOf(source: Checkpoint, others: readonly Checkpoint[]): Checkpoint {
  const tensors = new Map(source.tensors);
  const sources = new Map(source.sources);
  for (const [n, other] of others.entries()) {
    for (const [file, bytes] of other.sources) sources.set(`${n}/${file}`, bytes);
    for (const [name, info] of other.tensors) tensors.set(name, { ...info, file: `${n}/${info.file}` });
  }
  return { ...source, tensors, sources };
}

/** The plan's cuts of tensors that are not new already. */
export function remainingCuts(plan: PruningPlan, repaired: ReadonlySet<string>): PruningPlan {
  const cuts = plan.cuts.map((cut) => ({
    ...cut,
    rows: cut.rows.filter((name) => !repaired.has(name)),
    columns: cut.columns.filter((name) => !repaired.has(name)),
  }));
  return { ...plan, cuts };
}

/** Writes a plan's model from a source whose new weights are in place, and quantizes it in the same pass. */
export async function writeCompressed(
  source: Checkpoint,
  plan: PruningPlan,
  sink: Sink | string,
  after: QuantizationAfter | undefined,
  options: RewriteOptions = {},
): Promise<RewriteResult> {
  const transform = pruningTransform(plan);
  const edits = [...plan.config, ...(after?.quantization.config ?? [])];
  return rewriteCheckpoint(
    source,
    after === undefined ? transform : compose(transform, after.quantization.transform),
    sink,
    {
      refuseNonFinite: true,
      ...options,
      files: { ...(await editedConfig(source, edits)), ...options.files },
    },
  );
}
