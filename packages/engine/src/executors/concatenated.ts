/** All numbers, one part after the other. */
export function concatenated(parts: readonly (Float32Array | Int32Array)[]): Float32Array {
  const result = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let filled = 0;
  for (const part of parts) {
    result.set(part, filled);
    filled += part.length;
  }
  return result;
}
