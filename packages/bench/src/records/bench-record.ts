import type { PictureView } from "@vlmopt/engine";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { DataPart, Question } from "../run/run-data.ts";
import type { DeviceFigures, Environment, MemoryFigures, ModelSize } from "./run-summary.ts";

/** What was asked and measured, as it was: the summary is made of these alone. */
export type BenchRecord = { readonly shard?: string } & (
  | RunRecord
  | QuestionRecord
  | VariantRecord
  | LoadRecord
  | SpeedRecord
  | AnswerRecord
  | UnansweredRecord
  | FailureRecord
  | EndRecord
);

/** A run that began, or went on with another recipe or with data that changed. The last one counts. */
export interface RunRecord {
  readonly kind: "run";
  /** Of the data. */
  readonly hash: string;
  /** Counted from 0. */
  readonly attempt: number;
  /** Of what is measured and how. */
  readonly protocol: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly environment: Environment;
  readonly recipe: Recipe;
  readonly parts: readonly DataPart[];
}

/** A question that is asked, or a row that cannot be. What came last counts: a picture may have been mended. */
export type QuestionRecord = { readonly kind: "question"; readonly hash: string } & Question;

/** What a variant is measured as. What came last counts. */
export interface VariantRecord {
  readonly kind: "variant";
  /** Of its configuration, contents of the model included: its measurements bear it. */
  readonly hash: string;
  /** Hash of the data that it is measured on. */
  readonly data: string;
  readonly name: string;
  /** Null for endpoints. */
  readonly size: ModelSize | null;
  readonly precision: string | null;
}

export interface LoadRecord {
  readonly kind: "load";
  readonly hash: string;
  /** Process of the run, counted from 0: a resumed variant is loaded again. */
  readonly attempt: number;
  readonly milliseconds: number;
}

/** One request of a fixed number of new tokens. Milliseconds. */
export interface SpeedRecord {
  readonly kind: "speed";
  readonly hash: string;
  readonly repetition: number;
  readonly ttft: number;
  /** Of each token after the first, or of each piece of text where a server sends several tokens at once. */
  readonly tokens: readonly number[];
  readonly latency: number;
  readonly promptTokens: number | null;
  readonly newTokens: number;
}

/** One answer that ended by itself, or at the most tokens allowed. */
export interface AnswerRecord {
  readonly kind: "answer";
  readonly hash: string;
  /** The question's id. */
  readonly item: string;
  /** The prompt, with `<image>` in place of each picture. */
  readonly prompt?: string;
  readonly prediction: string;
  readonly promptTokens: number | null;
  readonly newTokens: number | null;
  readonly cacheBytes?: number | null;
  /** Which of the pictures' tokens stayed, where some went. */
  readonly pictures?: readonly PictureView[];
  readonly finish: "end" | "stop" | "length";
  /** Of the whole answer. */
  readonly latency: number;
}

/** A question that the target could not answer, while it went on with others. An answer that came later counts instead. */
export interface UnansweredRecord {
  readonly kind: "unanswered";
  readonly hash: string;
  readonly item: string;
  readonly error: string;
}

export interface FailureRecord {
  readonly kind: "failed";
  readonly hash: string;
  readonly attempt: number;
  readonly error: string;
  /** ISO 8601. */
  readonly at: string;
}

/** Nothing is left to measure. */
export interface EndRecord {
  readonly kind: "end";
  readonly hash: string;
  readonly memory: MemoryFigures;
  /** Of the last process; null where no device counts it. */
  readonly energy: { readonly joules: number; readonly tokens: number; readonly method: string } | null;
  readonly device: DeviceFigures | null;
  /** ISO 8601. */
  readonly at: string;
}
