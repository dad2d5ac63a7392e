import { wasm } from "../generated/greedy-matching.wasm.ts";

/** Of each token, in order, the greatest cosine similarity to any token of the other text. */
export interface Matching {
  readonly candidate: Float32Array;
  readonly reference: Float32Array;
}

/**
 * Matches the tokens of two texts greedily.
 * @param candidate embeddings, `[tokens, width]`, of any length
 * @param reference likewise; neither text is without tokens
 */
export type GreedyMatcher = (candidate: Float32Array, reference: Float32Array, width: number) => Matching;

interface Exports {
  readonly memory: WebAssembly.Memory;
  normalize(rows: number, count: number, width: number): void;
  match(
    a: number,
    countA: number,
    b: number,
    countB: number,
    width: number,
    maxA: number,
    maxB: number,
  ): void;
}

/** WebAssembly where there is SIMD, plain code elsewhere and where `VLMOPT_NO_WASM=1` asks for it. */
export function greedyMatcher(): GreedyMatcher {
  if (globalThis.process?.env.VLMOPT_NO_WASM === "1") return matchPlainly;
  const binary = Uint8Array.from(atob(wasm), (character) => character.charCodeAt(0));
  // Fails to validate where the engine knows no SIMD.
  if (!WebAssembly.validate(binary)) return matchPlainly;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), {});
  return wasmMatcher(instance.exports as unknown as Exports);
}

/** Room for what the compiler itself may put in memory. */
const INPUT = 1024;

function wasmMatcher({ memory, normalize, match }: Exports): GreedyMatcher {
  return (candidate, reference, width) => {
    const [countA, countB] = [candidate.length / width, reference.length / width];
    const filled = Math.ceil(width / 4) * 4;
    const a = INPUT;
    const b = a + 4 * filled * (countA + 3);
    const maxA = b + 4 * filled * (countB + 1);
    const maxB = maxA + 4 * (countA + 3);
    const missing = maxB + 4 * (countB + 1) - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    const floats = new Float32Array(memory.buffer);
    writeRows(floats, a / 4, candidate, width, filled);
    writeRows(floats, b / 4, reference, width, filled);
    normalize(a, countA, filled);
    normalize(b, countB, filled);
    match(a, countA, b, countB, filled, maxA, maxB);
    return {
      candidate: floats.slice(maxA / 4, maxA / 4 + countA),
      reference: floats.slice(maxB / 4, maxB / 4 + countB),
    };
  };
}

function writeRows(
  floats: Float32Array,
  start: number,
  rows: Float32Array,
  width: number,
  filled: number,
): void {
  if (filled === width) {
    floats.set(rows, start);
    return;
  }
  for (let i = 0, at = start; i < rows.length; i += width, at += filled) {
    floats.set(rows.subarray(i, i + width), at);
    floats.fill(0, at + width, at + filled);
  }
}

/** The same, one product after the other. */
export const matchPlainly: GreedyMatcher = (candidate, reference, width) => {
  const a = normalized(candidate, width);
  const b = normalized(reference, width);
  const maxA = new Float32Array(candidate.length / width).fill(Number.NEGATIVE_INFINITY);
  const maxB = new Float32Array(reference.length / width).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < maxA.length; i++) {
    for (let j = 0; j < maxB.length; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (a[i * width + k] as number) * (b[j * width + k] as number);
      maxA[i] = Math.max(maxA[i] as number, sum);
      maxB[j] = Math.max(maxB[j] as number, sum);
    }
  }
  return { candidate: maxA, reference: maxB };
};

function normalized(rows: Float32Array, width: number): Float32Array {
  const scaled = rows.slice();
  for (let start = 0; start < rows.length; start += width) {
    let squares = 0;
    for (let k = start; k < start + width; k++) squares += (rows[k] as number) ** 2;
    if (squares === 0) continue;
    const norm = Math.sqrt(squares);
    for (let k = start; k < start + width; k++) scaled[k] = (rows[k] as number) / norm;
  }
  return scaled;
}
