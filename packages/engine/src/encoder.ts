import { textEncoder } from "@vlmopt/models";
import { checkOptions, whole } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { DeviceTensor, Executor } from "./executors/executor.ts";
import { areSound, brokenLogits } from "./generate/broken-logits.ts";
import { towerRules } from "./option-rules.ts";
import { loadFrom, type Platform } from "./platform.ts";
import { readConfig } from "./read-json.ts";
import { shortened } from "./text/shortened.ts";
import { loadTokenizer } from "./text/tokenizer.ts";
import { modelWeights } from "./weights/model-weights.ts";

export interface EncoderOptions {
  /** Layers after which hidden states are taken, 0 for the embeddings; all of them unless told. The rest is not run. */
  readonly layer?: number;
  /** What to call it; the checkpoint's location unless told. */
  readonly name?: string;
  readonly executor?: Executor;
}

export interface EncodedText {
  /** Special tokens included. */
  readonly ids: readonly number[];
  /** 1 where a token begins or ends every text, such as [CLS] and [SEP]. */
  readonly special: readonly number[];
  /** `[tokens, hiddenSize]`. */
  readonly embeddings: Float32Array;
}

/** Turns texts into vectors, one for each token: what BERTScore of @vlmopt/metrics asks for. */
export interface Encoder {
  readonly name: string;
  readonly layer: number;
  readonly hiddenSize: number;
  /** Texts of all at once, in their order. Those that are too long lose their end, as in bert_score. */
  encode(texts: readonly string[]): Promise<readonly EncodedText[]>;
  release(): Promise<void>;
}

/** bert_score takes no more tokens than this, whatever a model allows. */
const MOST_TOKENS = 512;

/** A BERT, RoBERTa, DistilBERT or one of their kin, with its tokenizer. */
export async function encoderFrom(
  platform: Platform,
  location: string | Checkpoint,
  options: EncoderOptions = {},
): Promise<Encoder> {
  checkOptions("loadEncoder", options, { ...towerRules, layer: whole({ from: 0 }) });
  return loadFrom(platform, location, async (checkpoint) =>
    encoderOf(checkpoint, options.executor ?? (await platform.executor()), options),
  );
}

async function encoderOf(
  checkpoint: Checkpoint,
  executor: Executor,
  options: EncoderOptions,
): Promise<Encoder> {
  const config = await readConfig(checkpoint);
  const tokenizer = await loadTokenizer(checkpoint);
  const weights = await modelWeights(checkpoint);
  const encoder = textEncoder(config, weights.specs);
  const layer = options.layer ?? encoder.layers;
  const pass = await executor.prepare(encoder.pass(layer), weights);
  const around = new Set(tokenizer.encode(""));
  const mostTokens = Math.min(encoder.maxTokens, MOST_TOKENS);
  // RoBERTa's published numbers come from a tokenizer that saw a blank before every text.
  const lead = encoder.modelType.includes("roberta") ? " " : "";

  function tokensOf(text: string): number[] {
    return shortened(tokenizer.encode(text === "" ? "" : lead + text), mostTokens);
  }
  return {
    name: options.name ?? checkpoint.location,
    layer,
    hiddenSize: encoder.hiddenSize,
    async encode(texts) {
      const ids = texts.map(tokensOf);
      const results: EncodedText[] = [];
      for (const batch of batches(ids)) {
        const { hidden } = await pass.run(encoder.inputsOf(batch));
        const states = await (hidden as DeviceTensor).read();
        hidden?.release?.();
        if (!areSound(states)) throw await brokenLogits(checkpoint, "the texts", "states");
        const stride = Math.max(...batch.map(({ length }) => length)) * encoder.hiddenSize;
        for (const [n, own] of batch.entries()) {
          results.push({
            ids: own,
            special: own.map((id) => (around.has(id) ? 1 : 0)),
            embeddings: states.slice(n * stride, n * stride + own.length * encoder.hiddenSize),
          });
        }
      }
      return results;
    },
    release: pass.release,
  };
}

/** Tokens that are run at once, padding counted: more only cost memory. */
const BATCH_TOKENS = 2048;

function batches(texts: readonly number[][]): number[][][] {
  const found: number[][][] = [];
  let longest = 0;
  for (const text of texts) {
    const last = found.at(-1);
    longest = Math.max(longest, text.length);
    if (last === undefined || (last.length + 1) * longest > BATCH_TOKENS) {
      found.push([text]);
      longest = text.length;
    } else last.push(text);
  }
  return found;
}
