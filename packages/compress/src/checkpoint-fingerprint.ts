import { createHash } from "node:crypto";
import type { Checkpoint } from "@vlmopt/tensor-io";

/** Bytes of a tensor that its fingerprint reads at the beginning, in the middle and at the end. */
const SAMPLE_BYTES = 4096;

/** Names, shapes, dtypes, places and samples of a checkpoint's tensors: what a resumed compression must find again. */
export async function fingerprintOf(
  { location, tensors, sources }: Checkpoint,
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256");
  for (const { name, dtype, shape, file, offset, byteLength } of tensors.values()) {
    hash.update(`${[name, dtype, shape.join("x"), file, offset].join(" ")}\n`);
    const length = Math.min(byteLength, SAMPLE_BYTES);
    for (const part of [0, 0.5, 1]) {
      const start = offset + Math.floor(part * (byteLength - length));
      hash.update((await sources.get(file)?.read(start, length, signal)) ?? "");
    }
  }
  return `${location} ${hash.digest("hex")}`;
}
