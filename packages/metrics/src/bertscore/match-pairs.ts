import type { EncodedText, Encoder } from "./encoder.ts";
import { greedyMatcher, type Matching } from "./greedy-matching.ts";

export interface TextPair {
  readonly candidate: string;
  readonly reference: string;
}

export type Tokens = Pick<EncodedText, "ids" | "special">;

/** Batches whose embeddings are held at once, beside those of texts that come again. */
const BATCHES_AHEAD = 4;

/**
 * Encodes every text once, in batches of similar length, longest first, and matches each pair as soon as both texts are there; a text's
 * embeddings go when its last pair is done, so that memory does not grow with the corpus.
 * @returns the matching of each pair, in the order of the pairs, and the tokens of each text
 */
export async function matchPairs(
  pairs: readonly TextPair[],
  encoder: Encoder,
  batchSize: number,
): Promise<{ matchings: Matching[]; tokens: ReadonlyMap<string, Tokens> }> {
  const match = greedyMatcher();
  const matchings = new Array<Matching>(pairs.length);
  const tokens = new Map<string, Tokens>();
  const held = new Map<string, Float32Array>();
  const uses = new Map<string, number>();
  for (const text of pairs.flatMap(textsOf)) uses.set(text, (uses.get(text) ?? 0) + 1);

  const lengths = pairs.map(({ candidate, reference }) => Math.max(candidate.length, reference.length));
  const order = pairs.map((_, i) => i).sort((i, j) => (lengths[j] as number) - (lengths[i] as number));
  for (let start = 0, end = 0; start < order.length; start = end) {
    const fresh = new Set<string>();
    for (; end < order.length && fresh.size < BATCHES_AHEAD * batchSize; end++) {
      for (const text of textsOf(pairs[order[end] as number] as TextPair))
        if (!held.has(text)) fresh.add(text);
    }
    await encodeAll(fresh);
    for (const i of order.slice(start, end)) {
      const { candidate, reference } = pairs[i] as TextPair;
      const [a, b] = [held.get(candidate) as Float32Array, held.get(reference) as Float32Array];
      const width = a.length / (tokens.get(candidate)?.ids.length ?? 0);
      matchings[i] = a.length === 0 || b.length === 0 ? unmatched(a, b) : match(a, b, width);
      release(candidate);
      release(reference);
    }
  }
  return { matchings, tokens };

  async function encodeAll(texts: ReadonlySet<string>): Promise<void> {
    const sorted = [...texts].sort((a, b) => b.length - a.length);
    for (let i = 0; i < sorted.length; i += batchSize) {
      const batch = sorted.slice(i, i + batchSize);
      const encoded = await encoder.encode(batch);
      for (const [n, text] of batch.entries()) {
        const { ids, special, embeddings } = assertEncoded(encoder, encoded[n], text);
        tokens.set(text, { ids, special });
        held.set(text, embeddings);
      }
    }
  }

  function release(text: string): void {
    const left = (uses.get(text) ?? 0) - 1;
    uses.set(text, left);
    if (left === 0) held.delete(text);
  }
}

function textsOf({ candidate, reference }: TextPair): [string, string] {
  return [candidate, reference];
}

/** A text without a single token is like nothing. */
function unmatched(candidate: Float32Array, reference: Float32Array): Matching {
  return {
    candidate: new Float32Array(candidate.length),
    reference: new Float32Array(reference.length),
  };
}

function assertEncoded({ name }: Encoder, encoded: EncodedText | undefined, text: string): EncodedText {
  const { ids, special, embeddings } = encoded ?? { ids: [], special: [], embeddings: [] };
  if (
    encoded !== undefined &&
    special.length === ids.length &&
    Number.isInteger(embeddings.length / Math.max(1, ids.length)) &&
    (ids.length === 0) === (embeddings.length === 0)
  )
    return encoded;
  throw new Error(
    `${name} gave ${ids.length} tokens, ${special.length} marks and ${embeddings.length} numbers for "${text.slice(0, 40)}"; each token has one mark and one embedding`,
  );
}
