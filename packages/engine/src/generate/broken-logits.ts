import type { Checkpoint } from "@vlmopt/tensor-io/browser";
import { readTensor, toFloat32 } from "@vlmopt/tensor-io/browser";

/** A model's logits are no numbers, so that no token can be chosen. */
export class BrokenLogitsError extends Error {
  override readonly name = "BrokenLogitsError";
}

/** What stands for a token where logits were broken. */
export const NO_TOKEN = -1;

/** Whether a token can be chosen: none is NaN or +∞, and not all are −∞. */
export function areSound(logits: Float32Array): boolean {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (Number.isNaN(logit)) return false;
    if (logit > largest) largest = logit;
  }
  return Number.isFinite(largest);
}

/**
 * What is wrong, as far as it can be named: the first weight that holds NaN or infinite numbers. Reads all weights.
 * @param whose of what: `token 3 of the answer`
 * @param what numbers they are
 */
export async function brokenLogits(
  checkpoint: Checkpoint,
  whose: string,
  what = "logits",
): Promise<BrokenLogitsError> {
  const broken = await firstBrokenTensor(checkpoint);
  return new BrokenLogitsError(
    broken === undefined
      ? `the ${what} of ${whose} are NaN or infinite, though all weights of ${checkpoint.location} are finite: a number grew too large on the way; try another executor, or weights in F32`
      : `the ${what} of ${whose} are NaN or infinite: tensor "${broken.name}" of ${checkpoint.location} holds ${broken.value} at element ${broken.element}; get the weights anew`,
  );
}

async function firstBrokenTensor(
  checkpoint: Checkpoint,
): Promise<{ readonly name: string; readonly value: number; readonly element: number } | undefined> {
  for (const { name, dtype } of checkpoint.tensors.values()) {
    if (!["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"].includes(dtype)) continue;
    const values = toFloat32(await readTensor(checkpoint, name), dtype);
    const element = values.findIndex((value) => !Number.isFinite(value));
    if (element !== -1) return { name, value: values[element] as number, element };
  }
  return undefined;
}
