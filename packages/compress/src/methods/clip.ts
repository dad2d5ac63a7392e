import type { InputStatistics } from "@vlmopt/models";
import { encodeMatrix } from "@vlmopt/quant";
import type { QuantizationMethod, RoundedLinear } from "./quantization-method.ts";

/** Shares of a group's greatest magnitude that are tried: 1, 19/20 … 11/20. */
const STEPS = 20;
const MOST_CLIPPED = 0.5;

/**
 * AWQ's search for clipping: each group's greatest magnitude shrinks to where Σ ((w − q)·x)² over the group's inputs is least. Formats that do
 * not store integers in groups round as they do by themselves.
 */
export const clip: QuantizationMethod = {
  name: "clip",
  summary: "to the nearest number, groups' largest weights cut off where what a group gives changes least",
  gram: true,
  refit: false,
  async round(linears, inputs) {
    return linears.map((linear) => {
      const { format, scheme, tensor, data, magnitude } = linear;
      return encodeMatrix(format, scheme, tensor, clipped(linear, inputs) ?? data, { magnitude });
    });
  },
};

/** The weights with what is beyond each group's best range at its end; undefined where the format has no groups. */
export function clipped(
  { format, scheme, tensor, data, magnitude }: RoundedLinear,
  { gram, meanSquare }: InputStatistics,
): Float32Array | undefined {
  const groupSize = format.grid?.(tensor, scheme).groupSize;
  if (groupSize === undefined) return undefined;
  if (gram === undefined) throw new RangeError("the statistics of the linears' inputs have no Gram matrix");
  const columns = meanSquare.length;
  const groups = data.length / groupSize;
  const largest = new Float32Array(groups);
  for (let i = 0; i < data.length; i++) {
    const group = Math.floor(i / groupSize);
    largest[group] = Math.max(largest[group] as number, Math.abs(data[i] as number));
  }
  const least = new Float64Array(groups).fill(Number.POSITIVE_INFINITY);
  const share = new Float32Array(groups).fill(1);
  const at = (shares: (group: number) => number) =>
    data.map((weight, i) => {
      const group = Math.floor(i / groupSize);
      const most = shares(group) * (largest[group] as number);
      return Math.max(-most, Math.min(most, weight));
    });
  const wrong = new Float64Array(groupSize);
  for (let step = 0; step < Math.floor(MOST_CLIPPED * STEPS); step++) {
    const tried = 1 - step / STEPS;
    const { decoded } = encodeMatrix(
      format,
      scheme,
      tensor,
      at(() => tried),
      { magnitude },
    );
    for (let group = 0; group < groups; group++) {
      const from = group * groupSize;
      for (let i = 0; i < groupSize; i++)
        wrong[i] = (data[from + i] as number) - (decoded[from + i] as number);
      const error = errorUnder(wrong, gram, columns, from % columns);
      if (error < (least[group] as number)) {
        least[group] = error;
        share[group] = tried;
      }
    }
  }
  return at((group) => share[group] as number);
}

/** Σ (d·x)² over tokens, d being of the channels from `first` on. */
function errorUnder(
  d: Float64Array,
  gram: Float32Array | Float64Array,
  columns: number,
  first: number,
): number {
  let sum = 0;
  for (let i = 0; i < d.length; i++) {
    const value = d[i] as number;
    if (value === 0) continue;
    const row = (first + i) * columns + first;
    let product = 0;
    for (let j = 0; j < d.length; j++) product += (gram[row + j] as number) * (d[j] as number);
    sum += value * product;
  }
  return sum;
}
