import type { Parameters } from "@vlmopt/models";
import { randomNumbers } from "./row-order.ts";
import { isSparse } from "./train.ts";

const [A, B] = [".lora_A", ".lora_B"];

/** A of numbers from −1/√in to 1/√in, as peft begins with, B of zeros: at first nothing changes. */
export function initialLowRank(
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: number,
): Map<string, Float32Array> {
  const random = randomNumbers(seed);
  const found = new Map<string, Float32Array>();
  for (const [name, [rows = 0, columns = 0]] of shapes) {
    const bound = 1 / Math.sqrt(columns);
    const number = name.endsWith(A) ? () => (2 * random() - 1) * bound : () => 0;
    found.set(name, Float32Array.from({ length: rows * columns }, number));
  }
  return found;
}

/** W + scale · B·A of every weight that has them, W `[out, in]` (arXiv:2106.09685); zeros of a sparse one stay. */
export async function mergedLowRank(
  parameters: Parameters,
  rank: number,
  scale: number,
  weightNamed: (name: string) => Promise<Float32Array>,
): Promise<Map<string, Float32Array>> {
  const found = new Map<string, Float32Array>();
  for (const [name, b] of parameters) {
    if (!name.endsWith(B)) continue;
    const weight = name.slice(0, -B.length);
    const a = parameters.get(`${weight}${A}`) as Float32Array;
    const own = await weightNamed(weight);
    const merged = Float32Array.from(own);
    const [rows, columns] = [b.length / rank, a.length / rank];
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < rank; k++) {
        const share = scale * (b[row * rank + k] as number);
        if (share === 0) continue;
        for (let column = 0; column < columns; column++) {
          const at = row * columns + column;
          merged[at] = (merged[at] as number) + share * (a[k * columns + column] as number);
        }
      }
    }
    found.set(weight, isSparse(own) ? merged.map((x, i) => (own[i] === 0 ? 0 : x)) : merged);
  }
  return found;
}
