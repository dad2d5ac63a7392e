// Pictures' evidence from a seed, as tools/reference/engine_visual_tokens.py makes it.
import { readGolden } from "./goldens.ts";

export interface MadeShape {
  readonly side: number;
  readonly heads: number;
  readonly head_dim: number;
  readonly features: number;
  readonly class_token: boolean;
}

export type Choices = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

export interface MadeGolden {
  readonly sizes: readonly number[];
  readonly zipSizes?: readonly number[];
}

export interface SceneGolden {
  readonly image: string;
  readonly question: string;
  readonly kept: Choices;
  /** Tokens of greedy answers, by method, tokens kept and whether merged ones count for several. */
  readonly answers: Readonly<Record<string, readonly number[]>>;
}

export const visualTokenGoldens = readGolden<{
  readonly shapes: Readonly<Record<string, MadeShape>>;
  readonly pictures: Readonly<Record<string, readonly (Choices & MadeGolden)[]>>;
  readonly scenes: readonly SceneGolden[];
  /** Of the picture and the model of goldens/vlms/llava, by fixtures/encoders/clip. */
  readonly relevances: readonly {
    readonly question: string;
    readonly pieces: number;
    readonly relevance: readonly number[];
  }[];
}>("visual-tokens");

/** 24 bits from −1 to 1: the finalizer of MurmurHash3. */
export function hashedNumbers(seed: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let h = (i + Math.imul(seed, 0x9e3779b1)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    return (h >>> 8) / 2 ** 23 - 1;
  });
}

/** Neighbours in blocks of 4 × 4 have something in common; `first` class tokens come before the patches. Eighths: products are exact. */
function rows(seed: number, count: number, width: number, side: number, first: number): Float32Array {
  const own = hashedNumbers(seed, count * width);
  const kinds = hashedNumbers(seed + 1, 12 * width);
  return Float32Array.from(own, (value, i) => {
    const place = Math.floor(i / width) - first;
    const block =
      place < 0 ? 0 : Math.floor(Math.floor(place / side) / 4) * 7 + Math.floor((place % side) / 4);
    return Math.floor(8 * ((kinds[(block % 12) * width + (i % width)] as number) + 0.5 * value) + 0.5) / 8;
  });
}

export function madeEvidence(shape: MadeShape, picture: number) {
  const { side, heads, head_dim: headDim, features, class_token: classToken } = shape;
  const width = heads * headDim;
  const first = classToken ? 1 : 0;
  const [patches, tokens] = [side * side, side * side + first];
  const seed = 100 * picture;
  const of = (offset: number, count: number, size: number, before: number) => ({
    shape: [1, count, size],
    data: rows(seed + offset, count, size, side, before),
  });
  const fourfold = ({ shape: own, data }: ReturnType<typeof of>) => ({
    shape: own,
    data: data.map((x) => 4 * x),
  });
  return {
    q: fourfold(of(0, tokens, width, first)),
    k: of(10, tokens, width, first),
    objectQ: fourfold(of(20, tokens, width, first)),
    objectK: of(30, tokens, width, first),
    features: of(50, patches, features, 0),
    states: of(60, patches, width, 0),
    relevance: hashedNumbers(seed + 70, patches),
  };
}
