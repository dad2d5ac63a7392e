import { closeSync, openSync, readSync } from "node:fs";
import { SourceError } from "@vlmopt/tensor-io";
import type { LoadedWeight, QuantizedWeight } from "../formats/quantized-weight.ts";
import type { StoredPart } from "./stored-part.ts";

/**
 * The tensors that belong to a weight, read at once, where nothing can be waited for: in a worker's stage, in a graph that is written.
 * @throws {SourceError} where a file has become shorter
 */
export function loadParts(weight: QuantizedWeight): LoadedWeight {
  const beside = Object.entries(weight.beside).map(([name, part]) => [name, loadPart(part)] as const);
  return { ...weight, beside: Object.fromEntries(beside) };
}

/** @throws {SourceError} where the file has become shorter */
export function loadPart(part: StoredPart): Uint8Array {
  if ("bytes" in part) return part.bytes;
  const { path, offset, byteLength } = part;
  const bytes = new Uint8Array(byteLength);
  const fd = openSync(path, "r");
  try {
    for (let filled = 0; filled < byteLength; ) {
      const count = readSync(fd, bytes, filled, byteLength - filled, offset + filled);
      if (count === 0)
        throw new SourceError(path, `ended at byte ${offset + filled}, ${byteLength - filled} bytes early`);
      filled += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}
