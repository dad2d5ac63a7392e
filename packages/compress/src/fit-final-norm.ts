import type { CalibrationWalk, Replacements } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { asStored, readFloats } from "./stored-matrix.ts";

/** The final norm's new gain, and what it changed over the data held out: nats a token. */
export interface FittedNorm {
  readonly replacements: Replacements;
  readonly loss: { readonly before: number; readonly after: number };
}

/**
 * Least squares for the gain of the final norm, channel by channel, from what it gives of the compressed stream to what it gave of the dense
 * one: channels that carry much error shrink. SmolLM2-135M without a quarter of its neurons: perplexity 1.208 of the dense model's instead of
 * 1.217; without half of them 1.601 instead of 1.633.
 * @param walk behind its last block
 * @returns undefined where the model has no such norm, or the loss over the data held out would not fall
 */
export async function fitFinalNorm(
  source: Checkpoint,
  walk: CalibrationWalk,
  signal?: AbortSignal,
): Promise<FittedNorm | undefined> {
  const sums = await walk.finalNorm();
  if (sums === undefined) return undefined;
  const { weight, offset, cross, squares } = sums;
  const old = await readFloats(source, weight, signal);
  const data = old.map((gain, channel) => {
    const [product = 0, square = 0] = [cross[channel], squares[channel]];
    return square > 0 ? ((gain + offset) * product) / square - offset : gain;
  });
  const replacements = new Map([[weight, asStored(source, weight, { shape: [data.length], data })]]);
  const loss = { before: await walk.loss(), after: await walk.loss(replacements) };
  return loss.after < loss.before ? { replacements, loss } : undefined;
}
