/** A text as an encoder sees it. */
export interface EncodedText {
  /** Token ids, special tokens included. */
  readonly ids: ArrayLike<number>;
  /** 1 where the token is special, such as [CLS] and [SEP]: it weighs nothing but can be matched. */
  readonly special: ArrayLike<number>;
  /** Hidden states of the chosen layer, `[tokens, width]`. Rows may be of any length; the array is not written to again. */
  readonly embeddings: Float32Array;
}

/**
 * What turns texts into token embeddings. As bert_score does, it cuts the model after `layer` blocks, truncates texts that the model has
 * no positions for, and for RoBERTa tokenizes as if a blank came first.
 */
export interface Encoder {
  /** What the signature calls the model, with its precision where that is not float32. */
  readonly name: string;
  readonly layer: number;
  /** Encodes texts of similar length at once; results come in the order of the texts. */
  encode(texts: readonly string[]): Promise<readonly EncodedText[]>;
}

/** The layer that bert_score takes for a model, where it correlates best with people's judgement. */
export const bertScoreLayers: Readonly<Record<string, number>> = {
  "roberta-large": 17,
  "roberta-base": 10,
  "distilroberta-base": 5,
  "bert-base-uncased": 9,
  "bert-large-uncased": 18,
  "bert-base-multilingual-cased": 9,
  "distilbert-base-uncased": 5,
  "microsoft/deberta-xlarge-mnli": 40,
  "microsoft/deberta-large-mnli": 18,
};

/**
 * The layer that bert_score takes for a model.
 * @param name of the model, or the folder that it lies in
 * @throws {Error} for models that it does not know
 */
export function bertScoreLayer(name: string): number {
  const last = name.replace(/^.*[\\/]/, "");
  const [, layer] =
    Object.entries(bertScoreLayers).find(
      ([model]) => model === name || model.replace(/^.*\//, "") === last,
    ) ?? [];
  if (layer !== undefined) return layer;
  throw new Error(
    `bert_score knows no layer for ${last}: give its number; it knows ${Object.keys(bertScoreLayers).join(", ")}`,
  );
}
