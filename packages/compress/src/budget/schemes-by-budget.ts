import { chooseUnits, linearAlgebra, type PruningModel, type PruningSizes } from "@vlmopt/pruning";
import type { QuantizationRequest } from "@vlmopt/quant";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Calibration } from "../calibration.ts";
import { imatrix } from "../methods/imatrix.ts";
import type { QuantizationMethod } from "../methods/quantization-method.ts";
import { candidatesOf, chooseFormats, type FormatChoice } from "./choose-formats.ts";
import { type MeasureFormatsOptions, measureFormats } from "./measure-formats.ts";
import type { QuantizationBudget } from "./quantization-budget.ts";

/**
 * Goes once through the dense model to learn what each candidate costs each linear, and chooses.
 * @param sizes of the model that pruning will leave
 * @param dropped layers that will not be there
 */
export async function schemesByBudget(
  source: Checkpoint,
  model: PruningModel,
  sizes: PruningSizes,
  dropped: readonly number[],
  calibration: Calibration,
  {
    request,
    budget,
    method,
    ...options
  }: {
    readonly request: QuantizationRequest;
    readonly budget: QuantizationBudget;
    /** Of the quantization; where it makes up for errors, linears are measured without. */
    readonly method: QuantizationMethod;
  } & Pick<MeasureFormatsOptions, "signal" | "onBlock">,
): Promise<FormatChoice> {
  const walk = await calibration.walk(dropped);
  try {
    const measured = await measureFormats(walk, source, model.layers, {
      ...options,
      schemesOf: candidatesOf(model.description?.weights ?? [], source.tensors, request, budget),
      method: method.gram ? imatrix : method,
      algebra: calibration.algebra ?? linearAlgebra(),
      formats: request.formats,
    });
    // Which units go matters to no size.
    const none = (counts: readonly number[]) => counts.map((count) => new Float32Array(count));
    const plan = chooseUnits(model, sizes, {
      neurons: none(sizes.neurons?.before ?? []),
      heads: none(model.layers.map(({ attention }) => attention?.numHeads ?? 0)),
    });
    return await chooseFormats(source, model, plan, request, budget, measured);
  } finally {
    await walk.release();
  }
}
