import { expect } from "vitest";
import { byteLengthOf } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import { readHeader } from "../format/header.ts";
import { memorySource } from "../source/byte-source.ts";

/** Longest that any file of some hundred bytes may take, in milliseconds; a pause of the machine is no hang. */
const HANG = 2000;

/**
 * Reads a file that may be broken in any way: it must be refused with a typed error or be a checkpoint whose tensors tile the data
 * exactly, and in neither case may more than its own size be read at once.
 * @returns whether it was accepted
 */
export async function checkMutant(bytes: Uint8Array): Promise<boolean> {
  const memory = memorySource(bytes, "mutant");
  let largest = 0;
  const started = performance.now();
  try {
    const { tensors } = await readHeader({
      ...memory,
      read(offset, length) {
        largest = Math.max(largest, length);
        return memory.read(offset, length);
      },
    });
    let end: number | undefined;
    for (const { dtype, shape, offset, byteLength } of tensors) {
      expect(byteLength).toBe(byteLengthOf(dtype, shape));
      if (end !== undefined) expect(offset).toBe(end);
      end = offset + byteLength;
    }
    if (end !== undefined) expect(end).toBe(bytes.length);
    return true;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    expect(error.message.startsWith("mutant: ")).toBe(true);
    return false;
  } finally {
    expect(largest).toBeLessThanOrEqual(bytes.length);
    expect(performance.now() - started).toBeLessThan(HANG);
  }
}
