// What a method is that lets fewer of a picture's tokens go on: one file each, listed in methods.ts.
import type { Evidence, RankingAttention, TokenGrid } from "@vlmopt/models";
import type { Cosines } from "./cosines.ts";

/** What a method is shown of a picture. Tokens are numbered from 0 here, those that are no place of the picture left out. */
export interface PictureEvidence {
  readonly count: number;
  /** Where tokens lie. */
  readonly grids: readonly TokenGrid[];
  cosines(of: "featureProducts" | "stateProducts" | "keyProducts"): Cosines;
  /** Attention that each token receives. */
  attention(of: "classAttention" | "objectAttention" | "deepAttention"): Float64Array;
  /** How much each has to do with the question, from CLIP's two towers; the larger, the more. */
  readonly relevance: Float64Array | undefined;
}

export interface TokenChoice {
  /** Tokens that stay, ascending. */
  readonly kept: readonly number[];
  /** Where a method merges tokens: what becomes of those kept, and how many tokens each stands for. */
  readonly merged?: MergedTokens;
}

export interface MergedTokens {
  /** Of each token kept: tokens and their shares, whose weighted sum takes its place. */
  readonly shares: readonly (readonly (readonly [token: number, share: number])[])[];
  readonly sizes: readonly number[];
  /** Whether sums are made before the projector or behind it. */
  readonly of: "states" | "features";
}

/** Chooses once a picture has been seen, before the decoder. */
export interface PictureMethod {
  readonly name: string;
  /** For help, with its paper. */
  readonly summary: string;
  readonly place: "picture";
  readonly needs: readonly Evidence[];
  /** Whether it looks at the question: such a choice cannot serve the next one. */
  readonly needsQuestion?: true;
  /** @param keep tokens that stay, fewer than there are */
  choose(picture: PictureEvidence, keep: number): TokenChoice;
}

/** Drops tokens inside of the decoder, by the attention that the prompt's last token pays them. */
export interface DecoderMethod {
  readonly name: string;
  readonly summary: string;
  readonly place: "decoder";
  readonly ranking: RankingAttention;
  /** The first layers that have fewer tokens, ascending. */
  cuts(layers: number): readonly number[];
  /** Tokens that each of them has, in the end as many as are to stay. */
  keeps(keep: number, tokens: number): readonly number[];
}

export type VisualTokenMethod = PictureMethod | DecoderMethod;
