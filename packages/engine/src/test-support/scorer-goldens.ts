import { readGolden } from "./goldens.ts";

/** Of each text, with a start token before it and without. */
export type Likelihoods = Readonly<
  Record<"true" | "false", readonly { readonly nats: number; readonly tokens: number }[]>
>;

export interface StatisticsGolden {
  readonly tokens: number;
  readonly mean: readonly number[];
  readonly meanSquare: readonly number[];
  readonly maxAbs: readonly number[];
  readonly gram: readonly number[];
}

/** What transformers makes of texts and pictures with fixtures/encoders (tools/reference/engine_scorers.py). */
export const scorerGoldens = readGolden<{
  readonly texts: readonly string[];
  readonly gpt2: {
    readonly likelihoods: Likelihoods;
    readonly ids: readonly number[];
    /** `[ids, vocabSize]`. */
    readonly logits: readonly number[];
  };
  readonly llava: Likelihoods;
  /** Vectors of the texts and of three cuts of goldens/vlms/picture.png. */
  readonly clip: {
    readonly texts: readonly (readonly number[])[];
    readonly images: readonly (readonly number[])[];
  };
  /** What goes into some linears of goldens/vlms/llava, by the names of their weights. */
  readonly calibration: Readonly<Record<string, StatisticsGolden>>;
}>("scorers");
