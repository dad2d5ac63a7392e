import { type Rounding, roundingUnder } from "@vlmopt/pruning";
import { decodedIntegers, integerLevels, searchIntegerScales } from "@vlmopt/quant";
import { imatrix, importanceOf } from "./imatrix.ts";
import type { QuantizationMethod, RoundedLinear, RoundingResult } from "./quantization-method.ts";

/** What is added to the Gram matrix's diagonal, as a part of its mean: GPTQ's damping. */
const DAMPING = 0.01;

/**
 * GPTQ (arXiv:2210.17323) with scales searched by the importance of columns. Formats that do not store integers in groups take those scales
 * alone.
 */
export const gptq: QuantizationMethod = {
  name: "gptq",
  summary: "weights in turn, each making up for the errors before it, under the Gram matrix of the inputs",
  gram: true,
  refit: true,
  async round(linears, inputs) {
    const { gram, meanSquare } = inputs;
    if (gram === undefined) throw new RangeError("the statistics of the linears' inputs have no Gram matrix");
    let rounding: Rounding | undefined;
    const results: RoundingResult[] = [];
    for (const linear of linears) {
      if (linear.format.grid === undefined) {
        results.push(...(await imatrix.round([linear], inputs)));
        continue;
      }
      rounding ??= await roundingUnder({ gram, columns: meanSquare.length, lambda: DAMPING });
      results.push(await roundedUnder(linear, rounding, importanceOf(meanSquare)));
    }
    return results;
  },
};

async function roundedUnder(
  { format, scheme, tensor, data }: RoundedLinear,
  rounding: Rounding,
  importance: Float32Array,
): Promise<RoundingResult> {
  const { grid: gridOf, pack } = format;
  const grid = gridOf?.(tensor, scheme);
  if (grid === undefined || pack === undefined) throw new TypeError(`${format.name} packs no integers`);
  const { bits, groupSize } = grid;
  const { scales, zeroPoints } = searchIntegerScales(data, grid, importance);
  const middle = 2 ** (bits - 1);
  const { codes } = await rounding.round(data, {
    levels: integerLevels(bits),
    groupSize,
    scales,
    zeros:
      zeroPoints === undefined ? new Float32Array(scales.length).fill(middle) : Float32Array.from(zeroPoints),
  });
  const columns = importance.length;
  const rows = data.length / columns;
  const rounded = { bits, rows, columns, groupSize, codes, scales, ...(zeroPoints && { zeroPoints }) };
  return {
    parts: pack(rounded, tensor, scheme),
    decoded: decodedIntegers(rounded),
    note:
      rounding.lambda > DAMPING
        ? `the inputs of ${tensor.name} depend on each other too much: errors are made up for with a damping of ${rounding.lambda}, which comes nearer to rounding to nearest; more data would help`
        : undefined,
  };
}
