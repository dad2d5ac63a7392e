import { type PruningPlan, planByWeights, planSizes, pruningTransform } from "@vlmopt/pruning";
import type { QuantizationRequest } from "@vlmopt/quant";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { type Compression, needsData, pruningTargets, scorersOf } from "./compression.ts";
import { readModel } from "./read-model.ts";
import { requestAfter } from "./renumbered-overrides.ts";
import { type QuantizationAfter, quantizationAfter } from "./write-compressed.ts";

export interface CompressionPreview {
  /** Sizes before and after; which units go, too, where weights alone decide. */
  readonly plan: Pick<PruningPlan, "before" | "after" | "sparsity"> & Partial<PruningPlan>;
  /** What rounding makes of the targets, a sentence each. */
  readonly notes: readonly string[];
  readonly quantization: QuantizationAfter | undefined;
}

/**
 * What a compression will leave, without any data.
 * @throws {PruningError | ConfigError} where it does not fit the model
 */
export async function previewCompression(
  source: Checkpoint,
  spec: Compression,
  quantize?: QuantizationRequest,
  { signal, workers }: { readonly signal?: AbortSignal; readonly workers?: number } = {},
): Promise<CompressionPreview> {
  const model = await readModel(source);
  const targets = pruningTargets(spec);
  const { notes: rounded } = planSizes(model, targets);
  const byData = needsData(spec);
  // Sizes are the same whichever units go.
  const scores = byData ? { neurons: "random", heads: "random" } : scorersOf({ ...spec, byWeights: true });
  const pruning = { ...targets, scores, seed: spec.seed };
  const plan = await planByWeights(source, model, pruning, {
    ...(signal === undefined ? {} : { signal }),
    ...(workers === undefined ? {} : { workers }),
  });
  const quantization =
    quantize &&
    (await quantizationAfter(
      source,
      pruningTransform(plan),
      plan.config,
      requestAfter(quantize, model.layers, plan),
    ));
  const notes = [...rounded, ...(quantization?.plan.notes ?? [])];
  const { before, after, sparsity } = plan;
  return { plan: byData ? { before, after, sparsity } : plan, notes, quantization };
}
