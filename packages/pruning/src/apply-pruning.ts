import { editConfig } from "@vlmopt/models";
import {
  builtModule,
  type Checkpoint,
  type RewriteOptions,
  type RewriteResult,
  rewriteCheckpoint,
  type Sink,
  type TensorSpec,
  type Transform,
} from "@vlmopt/tensor-io";
import type { PruningPlan } from "./plan/pruning-plan.ts";
import { pruningTransform } from "./plan/pruning-transform.ts";
import { PruningError } from "./prunable.ts";
import { sparsityThresholds } from "./sparsity/thresholds.ts";

/**
 * Carries a plan out, in one pass over the checkpoint (two where weights are zeroed by magnitude: one finds the thresholds). config.json is
 * changed as the plan says; other files of the folder go along.
 * @throws {PruningError} where the plan names tensors that the checkpoint lacks
 */
export async function applyPruning(
  source: Checkpoint,
  plan: PruningPlan,
  sink: Sink | string,
  options: RewriteOptions = {},
): Promise<RewriteResult> {
  assertFits(source, plan);
  const config = await prunedConfig(source, plan);
  const transform =
    plan.sparsity.length > 0 ? await sparsifying(source, plan, options) : pruningTransform(plan);
  return rewriteCheckpoint(source, transform, sink, { ...options, files: { ...config, ...options.files } });
}

async function prunedConfig(source: Checkpoint, { config }: PruningPlan): Promise<Record<string, string>> {
  const bytes = config.length > 0 ? await source.readSibling("config.json") : undefined;
  return bytes === undefined ? {} : { "config.json": editConfig(new TextDecoder().decode(bytes), config) };
}

async function sparsifying(
  source: Checkpoint,
  plan: PruningPlan,
  options: RewriteOptions,
): Promise<Transform> {
  const { workers, signal } = options;
  const thresholds = await sparsityThresholds(source, plan.sparsity, {
    ...(workers === undefined ? {} : { workers }),
    ...(signal === undefined ? {} : { signal }),
  });
  const module = builtModule("sparsify-stage", import.meta.url);
  const structural = pruningTransform(plan);
  return (tensor: TensorSpec) => {
    const edit = structural(tensor);
    const threshold = thresholds.get(tensor.name);
    if (threshold === undefined) return edit;
    return { ...edit, stage: { module, options: threshold }, outputs: edit?.outputs ?? [tensor] };
  };
}

function assertFits(source: Checkpoint, plan: PruningPlan): void {
  const named = [
    ...plan.cuts.flatMap(({ rows, columns }) => [...rows, ...columns]),
    ...plan.drop,
    ...Object.keys(plan.rename),
    ...plan.sparsity.flatMap(({ tensors }) => tensors),
  ];
  const missing = named.filter((name) => !source.tensors.has(name));
  if (missing.length === 0) return;
  throw new PruningError(
    `the plan names ${missing.length} tensors that ${source.location} lacks, ${missing[0]} among them`,
    "apply a plan to the checkpoint that it was made for",
  );
}
