import { applyPruning, type PruningPlan, pruningTransform } from "@vlmopt/pruning";
import type { QuantizationRequest } from "@vlmopt/quant";
import { type Checkpoint, folderSink, inputPaths } from "@vlmopt/tensor-io";
import type { Compressed, CompressOptions } from "./compress-checkpoint.ts";
import { filesOf } from "./compression-files.ts";
import { readModel } from "./read-model.ts";
import { requestAfter } from "./renumbered-overrides.ts";
import { quantizationAfter } from "./write-compressed.ts";

/**
 * Carries out a plan that an earlier compression left (`pruning.json`): the same units go. Weights that were fitted to data are not in it, so
 * what stays is as it was.
 * @param output undefined writes nothing
 * @throws {PruningError} where the plan is not of this checkpoint
 */
export async function applySavedPlan(
  source: Checkpoint,
  plan: PruningPlan,
  output: string | undefined,
  {
    quantize,
    overwrite = false,
    baseModel,
    ...rewriting
  }: Omit<CompressOptions, "calibration" | "onBlock" | "quantize"> & {
    readonly quantize?: QuantizationRequest | undefined;
  },
): Promise<Compressed> {
  const quantization =
    quantize &&
    (await quantizationAfter(
      source,
      pruningTransform(plan),
      plan.config,
      requestAfter(quantize, (await readModel(source)).layers, plan),
    ));
  const refitted =
    plan.made.refit === "true"
      ? ["the plan was made with data: the same units go, but what stays is not fitted to data again"]
      : [];
  const notes = [...refitted, ...(quantization?.plan.notes ?? [])];
  if (output === undefined) return { plan, reports: [], notes, quantization };
  const sink = folderSink(output, { overwrite });
  await using _claim = await sink.claim(inputPaths(source));
  await applyPruning(source, plan, sink, {
    ...rewriting,
    ...(quantization === undefined ? {} : { andThen: quantization.quantization }),
    files: filesOf({ plan, reports: [], after: quantization }, baseModel),
  });
  return { plan, reports: [], notes, quantization };
}
