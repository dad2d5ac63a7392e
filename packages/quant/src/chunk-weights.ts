import type { StoredWeights } from "./weights.ts";

/** Weights that are encoded at once: input, scales and codes together stay in a core's own cache. */
export const CHUNK_WEIGHTS = 16 * 1024;

/** What modules have that read 16-bit weights. Places are in bytes. */
export interface WideningExports {
  widenBf16(input: number, output: number, count: number): void;
  widenF16(input: number, output: number, count: number): void;
}

/** Puts weights into a module's memory as F32 at `target`; those of 16 bits by way of `stored`. */
export function loadWidened(
  kernels: WideningExports,
  memory: Uint8Array,
  weights: StoredWeights,
  { target, stored }: { readonly target: number; readonly stored: number },
): void {
  memory.set(weights.bytes, weights.dtype === "F32" ? target : stored);
  if (weights.dtype === "F32") return;
  const count = weights.bytes.length / 2;
  if (weights.dtype === "BF16") kernels.widenBf16(stored, target, count);
  else kernels.widenF16(stored, target, count);
}
