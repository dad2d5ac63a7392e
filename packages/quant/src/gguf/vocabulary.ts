/** Kinds of tokens, numbered as in SentencePiece and GGUF alike. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
export type TokenType = keyof typeof tokenTypes;

export interface Token {
  /** With ▁ (U+2581) for spaces. */
  readonly text: string;
  /** Of two neighbours that can merge, those whose union scores higher go first. */
  readonly score: number;
  readonly type: TokenType;
}

/** A SentencePiece BPE vocabulary: token i is `tokens[i]`; holes are ids without a token. */
export interface Vocabulary {
  readonly tokens: readonly (Token | undefined)[];
  /** Whether texts are read as if a space came first. */
  readonly addSpacePrefix: boolean;
}
