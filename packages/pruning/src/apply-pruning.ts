import { type ConfigEdit, editedConfig } from "@vlmopt/models";
import { checkOptions, object } from "@vlmopt/options";
import {
  builtModule,
  type Checkpoint,
  compose,
  elementCount,
  type RewriteOptions,
  type RewriteResult,
  rewriteCheckpoint,
  rewriteRules,
  type Sink,
  type TensorSpec,
  type Transform,
  tensorNamed,
} from "@vlmopt/tensor-io";
import type { PruningPlan } from "./plan/pruning-plan.ts";
import { pruningTransform } from "./plan/pruning-transform.ts";
import { PruningError } from "./prunable.ts";
import { sparsityThresholds } from "./sparsity/thresholds.ts";

export interface ApplyOptions extends RewriteOptions {
  /** What becomes of the pruned weights in the same pass, such as `quantization(plan)` of @vlmopt/quant; config.json is changed for both. */
  readonly andThen?: { readonly transform: Transform; readonly config: readonly ConfigEdit[] };
}

/**
 * Carries a plan out, in one pass over the checkpoint (two where weights are zeroed by magnitude: one finds the thresholds). config.json is
 * changed as the plan says; other files of the folder go along.
 * @throws {PruningError} where the plan names tensors that the checkpoint lacks
 */
export async function applyPruning(
  source: Checkpoint,
  plan: PruningPlan,
  sink: Sink | string,
  all: ApplyOptions = {},
): Promise<RewriteResult> {
  checkOptions("applyPruning", all, { ...rewriteRules, andThen: object });
  const { andThen, ...options } = all;
  assertFits(source, plan);
  const config = await editedConfig(source, [...plan.config, ...(andThen?.config ?? [])]);
  const pruning =
    plan.sparsity.length > 0 ? await sparsifying(source, plan, options) : pruningTransform(plan);
  const transform = andThen === undefined ? pruning : compose(pruning, andThen.transform);
  return rewriteCheckpoint(source, transform, sink, {
    refuseNonFinite: true,
    ...options,
    files: { ...config, ...options.files },
  });
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
  if (plan.version !== 1) {
    throw new PruningError(
      `the plan is of version ${JSON.stringify(plan.version)}, and this one applies version 1`,
      "make the plan again with this version",
    );
  }
  const named = [
    ...plan.cuts.flatMap(({ rows, columns }) => [...rows, ...columns]),
    ...plan.drop,
    ...Object.keys(plan.rename),
    ...plan.sparsity.flatMap(({ tensors }) => tensors),
  ];
  const missing = named.filter((name) => !source.tensors.has(name));
  if (missing.length === 0) {
    assertSizes(source, plan);
    return;
  }
  throw new PruningError(
    `the plan names ${missing.length} tensors that ${source.location} lacks, ${missing[0]} among them`,
    "apply a plan to the checkpoint that it was made for",
  );
}

/** @throws {PruningError} where the plan was made for tensors of other sizes */
function assertSizes(source: Checkpoint, plan: PruningPlan): void {
  for (const { rows, columns, count, size, what } of plan.cuts) {
    for (const [names, axis] of [
      [rows, 0],
      [columns, 1],
    ] as const) {
      for (const name of names) {
        const found = tensorNamed(source, name).shape[axis];
        if (found === count * size) continue;
        throw new PruningError(
          `the plan is for ${count} ${what} in ${name}, which takes ${count * size} ${axis === 0 ? "rows" : "columns"}, and ${source.location} has ${found} of them`,
          "apply a plan to the checkpoint that it was made for",
        );
      }
    }
  }
  const parameters = [...source.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  if (parameters === plan.before.parameters) return;
  throw new PruningError(
    `the plan was made for ${plan.before.parameters} parameters, and ${source.location} has ${parameters}`,
    "apply a plan to the checkpoint that it was made for",
  );
}
