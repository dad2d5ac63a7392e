import type { InputStatistics } from "@vlmopt/models";
import { linearAlgebra } from "@vlmopt/pruning";
import { encodeMatrix } from "@vlmopt/quant";
import { outputErrors } from "../output-error.ts";
import { scaledColumns } from "../stored-matrix.ts";
import { clip } from "./clip.ts";
import type { QuantizationMethod, RoundedLinear } from "./quantization-method.ts";

/** Exponents that are tried: 0, 1/20 … 19/20. At 0 all channels stay as they are. */
const STEPS = 20;

/**
 * AWQ (arXiv:2306.00978): channels of great activations are made larger in the weights, and smaller in what gives them, by mean |x| to an exponent
 * that is searched for; ranges of groups are searched for as `clip` does. Losses are those of the linears' results under the Gram matrix.
 */
export const awq: QuantizationMethod = {
  name: "awq",
  summary:
    "channels scaled by mean |x| to a searched power, folded into what comes before them; then as clip",
  gram: true,
  refit: false,
  async scaleInputs(linears, inputs) {
    let best = { loss: Number.POSITIVE_INFINITY, scales: undefined as Float64Array | undefined };
    for (let step = 0; step < STEPS; step++) {
      const scales = step === 0 ? undefined : channelScales(inputs.meanAbs, step / STEPS);
      const loss = await scaledLoss(linears, inputs, scales);
      if (loss < best.loss) best = { loss, scales };
    }
    return best.scales;
  },
  round: clip.round,
};

/** mean |x| to the power of `ratio`, divided by the geometric mean of the greatest and the least. */
export function channelScales(meanAbs: Float64Array, ratio: number): Float64Array {
  const powers = meanAbs.map((mean) => Math.max(1e-4, mean ** ratio));
  let [least, most] = [Number.POSITIVE_INFINITY, 0];
  for (const power of powers) {
    least = Math.min(least, power);
    most = Math.max(most, power);
  }
  return powers.map((power) => power / Math.sqrt(most * least));
}

/** Σ ‖(W − Q(W·s)/s)·x‖² over tokens and linears; each weight goes to the nearest number of its format. */
export async function scaledLoss(
  linears: readonly RoundedLinear[],
  inputs: InputStatistics,
  scales: Float64Array | undefined,
): Promise<number> {
  const inverse = scales?.map((scale) => 1 / scale);
  let loss = 0;
  for (const { format, scheme, tensor, data, magnitude } of linears) {
    const scaled = scales === undefined ? data : scaledColumns(data, scales);
    const { decoded } = encodeMatrix(format, scheme, tensor, scaled, { magnitude });
    const found = inverse === undefined ? decoded : scaledColumns(decoded, inverse);
    loss += (await outputErrors(data, found, inputs, linearAlgebra())).error;
  }
  return loss;
}
