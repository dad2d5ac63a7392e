import { ConfigError, gpt2Forward } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { DeviceTensor, Executor } from "../executors/executor.ts";
import { areSound, brokenLogits } from "../generate/broken-logits.ts";
import { loadModel } from "../model.ts";
import { towerRules } from "../option-rules.ts";
import { loadFrom, type Platform } from "../platform.ts";
import { type Json, readJson } from "../read-json.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { modelWeights } from "../weights/model-weights.ts";
import { surprisal } from "./surprisal.ts";

export interface LanguageScorerOptions {
  /** What to call it; the checkpoint's location unless told. */
  readonly name?: string;
  readonly executor?: Executor;
}

/** Tells how likely a language model finds texts: what perplexity of @vlmopt/metrics asks for. */
export interface LanguageScorer {
  readonly name: string;
  /**
   * Texts that are too long for the model lose their end.
   * @param startToken whether the token that begins a sequence comes first, so that the text's first token is predicted too
   * @returns for each text the sum of −ln p over the tokens that are predicted, and their number
   * @throws {ConfigError} where there is no such token
   */
  negativeLogLikelihoods(
    texts: readonly string[],
    options: { readonly startToken: boolean },
  ): Promise<readonly { readonly nats: number; readonly tokens: number }[]>;
  release(): Promise<void>;
}

/** Reads whole texts at once. */
interface Reader {
  readonly maxTokens: number;
  /** Logits of the tokens wanted, counted through all texts with padding: `[wanted, vocabSize]`. */
  logits(texts: readonly (readonly number[])[], wanted: readonly number[]): Promise<Float32Array>;
  release(): Promise<void>;
}

/** Tokens that are read at once, padding counted: each of them has logits of the whole vocabulary. */
const BATCH_TOKENS = 512;

/** GPT-2, or any decoder that `loadModel` knows, with its tokenizer. */
export async function scorerFrom(
  platform: Platform,
  location: string | Checkpoint,
  options: LanguageScorerOptions = {},
): Promise<LanguageScorer> {
  checkOptions("languageScorer", options, towerRules);
  return loadFrom(platform, location, async (checkpoint) =>
    scorerOf(checkpoint, options.executor ?? (await platform.executor()), options),
  );
}

async function scorerOf(
  checkpoint: Checkpoint,
  executor: Executor,
  { name }: LanguageScorerOptions,
): Promise<LanguageScorer> {
  const tokenizer = await loadTokenizer(checkpoint);
  const config = await readJson(checkpoint, "config.json");
  const reader =
    config?.model_type === "gpt2"
      ? await gpt2Reader(checkpoint, config, executor)
      : await decoderReader(checkpoint, executor);
  const startId = tokenizer.bosToken === undefined ? undefined : tokenizer.idOf(tokenizer.bosToken);

  function tokensOf(text: string, startToken: boolean): number[] {
    const own = tokenizer.encode(text, false);
    if (!startToken) return own.slice(0, reader.maxTokens);
    if (startId === undefined) {
      throw new ConfigError(
        `the tokenizer of ${checkpoint.location} has no bos_token to begin texts with: score without a start token`,
      );
    }
    return [startId, ...own].slice(0, reader.maxTokens);
  }
  return {
    name: name ?? checkpoint.location,
    async negativeLogLikelihoods(texts, { startToken }) {
      const ids = texts.map((text) => tokensOf(text, startToken));
      const results = ids.map((own) => ({ nats: 0, tokens: Math.max(0, own.length - 1) }));
      for (const batch of batches(ids)) {
        const longest = Math.max(...batch.map((n) => (ids[n] as number[]).length));
        const predicting = batch.flatMap((n, place) =>
          Array.from({ length: (results[n] as { tokens: number }).tokens }, (_, token) => ({
            n,
            row: place * longest + token,
            next: ids[n]?.[token + 1] as number,
          })),
        );
        const logits = await reader.logits(
          batch.map((n) => ids[n] as number[]),
          predicting.map(({ row }) => row),
        );
        if (!areSound(logits)) throw await brokenLogits(checkpoint, "the texts");
        const vocabSize = logits.length / predicting.length;
        for (const [i, { n, next }] of predicting.entries()) {
          const result = results[n] as { nats: number };
          result.nats += surprisal(logits.subarray(i * vocabSize, (i + 1) * vocabSize), next);
        }
      }
      return results;
    },
    release: reader.release,
  };
}

async function gpt2Reader(checkpoint: Checkpoint, config: Json, executor: Executor): Promise<Reader> {
  const weights = await modelWeights(checkpoint);
  const gpt2 = gpt2Forward(config, weights.specs);
  const pass = await executor.prepare(gpt2.pass, weights);
  return {
    maxTokens: gpt2.maxTokens,
    async logits(texts, wanted) {
      const { logits } = await pass.run(gpt2.inputsOf(texts, wanted));
      const values = await (logits as DeviceTensor).read();
      logits?.release?.();
      return values;
    },
    release: () => pass.release(),
  };
}

async function decoderReader(checkpoint: Checkpoint, executor: Executor): Promise<Reader> {
  const model = await loadModel(checkpoint, executor);
  const { forward, description } = model;
  if ("visible" in forward.decoder.inputs) {
    await model.release();
    throw new ConfigError(
      `a ${description.modelType} sees its prompt whole, so that no token of it is predicted: it has no perplexity`,
    );
  }
  return {
    maxTokens: forward.maxPositions,
    async logits(texts, wanted) {
      const longest = Math.max(...texts.map(({ length }) => length));
      const cache = model.createCache(texts.length, longest);
      try {
        return await model.decode({
          cache,
          sequences: texts.map((ids) => ({
            ids,
            positions: forward.promptPositions(ids, []).axes,
            past: 0,
          })),
          wanted,
        });
      } finally {
        cache.release?.();
      }
    },
    release: () => model.release(),
  };
}

/** Numbers of texts that are read together, neighbours in length; those with nothing to predict are left out. */
function batches(texts: readonly (readonly number[])[]): number[][] {
  const length = (n: number) => (texts[n] as readonly number[]).length;
  const order = [...texts.keys()].filter((n) => length(n) > 1).sort((a, b) => length(b) - length(a));
  const found: number[][] = [];
  for (const n of order) {
    const last = found.at(-1);
    // The first of a batch is its longest.
    if (last === undefined || (last.length + 1) * length(last[0] as number) > BATCH_TOKENS) found.push([n]);
    else last.push(n);
  }
  return found;
}
