import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { type Json, readJson } from "../read-json.ts";
import { type LogitsRules, noRules } from "./logits-rules.ts";
import type { SamplingOptions } from "./sample.ts";

/** How a checkpoint wants to be asked, by its generation_config.json, as transformers' `generate` reads it. */
export interface GenerationDefaults {
  /** Tokens that end an answer; of config.json where that file names none. */
  readonly endTokens: readonly number[];
  readonly sampling: Required<Pick<SamplingOptions, "temperature" | "topK" | "topP">>;
  readonly rules: LogitsRules;
  readonly maxNewTokens: number | undefined;
  readonly minNewTokens: number;
  /** What it asks for and is not done, a sentence each. */
  readonly warnings: readonly string[];
}

const FILE = "generation_config.json";
/** Unless the file says another, where it says that tokens are drawn. */
const USUAL_TOP_K = 50;

/** What is not done, with the values that ask for nothing. */
const notDone: Readonly<Record<string, readonly unknown[]>> = {
  num_beams: [1],
  num_beam_groups: [1],
  num_return_sequences: [1],
  penalty_alpha: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  min_p: [0],
  top_h: [],
  encoder_repetition_penalty: [1],
  encoder_no_repeat_ngram_size: [0],
  sequence_bias: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  exponential_decay_length_penalty: [],
  guidance_scale: [1],
  watermarking_config: [],
  diversity_penalty: [0],
  constraints: [],
  force_words_ids: [],
  stop_strings: [],
  max_time: [],
};

/** @throws {ConfigError} where a value is of the wrong kind or out of its range, with its file */
export async function generationDefaults(checkpoint: Checkpoint): Promise<GenerationDefaults> {
  const config = await readJson(checkpoint, "config.json");
  const text = config?.text_config as Json | undefined;
  const file = await readJson(checkpoint, FILE);
  const read = fileReader(file ?? {}, checkpoint.location);
  const named = file?.eos_token_id ?? config?.eos_token_id ?? text?.eos_token_id ?? [];
  const draws = read.flag("do_sample", false);
  const topK = read.number(
    "top_k",
    draws ? USUAL_TOP_K : 0,
    (value) => Number.isInteger(value) && value >= 0,
    "a whole number",
  );
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;
  const temperature = draws ? read.number("temperature", 1, (value) => value > 0, "a number above 0") : 0;
  const minLength = read.number("min_length", 0, isCount, "a whole number");
  return {
    endTokens: [named].flat().filter((token): token is number => typeof token === "number"),
    sampling: {
      temperature,
      topK: topK === 0 ? Number.POSITIVE_INFINITY : topK,
      topP: read.number("top_p", 1, (value) => value > 0 && value <= 1, "a number above 0 and at most 1"),
    },
    rules: {
      repetitionPenalty: read.number(
        "repetition_penalty",
        noRules.repetitionPenalty,
        (value) => value > 0,
        "a number above 0",
      ),
      noRepeatNgramSize: read.number("no_repeat_ngram_size", 0, isCount, "a whole number"),
      badWords: read.tokenLists("bad_words_ids"),
      suppressed: read.tokens("suppress_tokens"),
      beginSuppressed: read.tokens("begin_suppress_tokens"),
      // What is told of new tokens goes before what is told of all.
      minLength: (file?.min_new_tokens ?? null) === null ? minLength : 0,
    },
    maxNewTokens: read.number("max_new_tokens", 0, isCount, "a whole number") || undefined,
    minNewTokens: read.number("min_new_tokens", 0, isCount, "a whole number"),
    warnings: warningsOf(file ?? {}, checkpoint.location),
  };
}

function warningsOf(file: Json, location: string): string[] {
  const asked = Object.entries(notDone).flatMap(([key, idle]) => {
    const value = file[key];
    return value === undefined || value === null || value === false || idle.includes(value)
      ? []
      : [`${key} ${JSON.stringify(value)}`];
  });
  return asked.length === 0
    ? []
    : [
        `${FILE} of ${location} asks for ${asked.join(", ")}, which is not done here: answers may differ from transformers'`,
      ];
}

function fileReader(file: Json, location: string) {
  const wrong = (key: string, wanted: string): never => {
    throw new ConfigError(
      `${key} in ${FILE} of ${location} is ${JSON.stringify(file[key])}; it must be ${wanted}`,
    );
  };
  const isToken = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  const areTokens = (value: unknown): value is number[] => Array.isArray(value) && value.every(isToken);
  return {
    number(key: string, fallback: number, isRight: (value: number) => boolean, wanted: string): number {
      const value = file[key] ?? fallback;
      return typeof value === "number" && isRight(value) ? value : wrong(key, wanted);
    },
    flag(key: string, fallback: boolean): boolean {
      const value = file[key] ?? fallback;
      return typeof value === "boolean" ? value : wrong(key, "true or false");
    },
    tokens(key: string): readonly number[] {
      const value = file[key] ?? [];
      return areTokens(value) ? value : wrong(key, "a list of tokens");
    },
    tokenLists(key: string): readonly (readonly number[])[] {
      const value = file[key] ?? [];
      const all = Array.isArray(value) && value.every((list) => areTokens(list) && list.length > 0);
      return all ? (value as number[][]) : wrong(key, "a list of lists of tokens");
    },
  };
}
