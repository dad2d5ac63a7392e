import type { HostTensor } from "./ops.ts";

/**
 * Texts as a batch: `ids`, `positions` and `types` (all 0) `[texts, longest]`, and `visible`, which hides padding as attention's bias,
 * `[texts, 1, longest, longest]`.
 */
export function paddedTexts(
  texts: readonly ArrayLike<number>[],
  padToken: number,
  firstPosition = 0,
): Readonly<Record<"ids" | "positions" | "types" | "visible", HostTensor>> {
  const longest = Math.max(...texts.map(({ length }) => length));
  const shape = [texts.length, longest];
  const ids = new Int32Array(texts.length * longest).fill(padToken);
  const positions = new Int32Array(ids.length);
  const visible = new Float32Array(texts.length * longest * longest);
  for (const [n, text] of texts.entries()) {
    ids.set(Array.from(text), n * longest);
    for (let token = 0; token < longest; token++) {
      positions[n * longest + token] =
        token < text.length ? firstPosition + token : Math.max(firstPosition - 1, 0);
      const row = (n * longest + token) * longest;
      visible.fill(Number.NEGATIVE_INFINITY, row + text.length, row + longest);
    }
  }
  return {
    ids: { shape, data: ids },
    positions: { shape, data: positions },
    types: { shape, data: new Int32Array(ids.length) },
    visible: { shape: [texts.length, 1, longest, longest], data: visible },
  };
}

/** Attention's bias where tokens see themselves and those before them: `[1, 1, tokens, tokens]`. */
export function causalBias(tokens: number): HostTensor {
  const data = new Float32Array(tokens * tokens);
  for (let row = 0; row < tokens; row++) {
    data.fill(Number.NEGATIVE_INFINITY, row * tokens + row + 1, (row + 1) * tokens);
  }
  return { shape: [1, 1, tokens, tokens], data };
}

/** @throws {RangeError} where an encoder has fewer layers */
export function assertLayer(layer: number, layers: number): void {
  if (Number.isInteger(layer) && layer >= 0 && layer <= layers) return;
  throw new RangeError(`layer ${layer} was asked of an encoder of ${layers}`);
}
