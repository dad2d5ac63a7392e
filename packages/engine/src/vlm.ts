import { checkOptions, OptionError } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { checkRequest } from "./check-request.ts";
import { type QuestionRelevance, questionRelevance } from "./clip/question-relevance.ts";
import type { KvCache } from "./executors/executor.ts";
import { areSound, brokenLogits } from "./generate/broken-logits.ts";
import {
  generateTokens,
  type TokenAnswer,
  type TokenOptions,
  type TokenPrompt,
  tokensLeft,
} from "./generate/generate-tokens.ts";
import { generationDefaults } from "./generate/generation-config.ts";
import type { SamplingOptions } from "./generate/sample.ts";
import { releaseFeatures } from "./image-features.ts";
import type { Model } from "./model.ts";
import { generateRules } from "./option-rules.ts";
import { loadFrom, type Platform } from "./platform.ts";
import { promptReader, type ReadPrompt, type Request } from "./prompt-reader.ts";
import { tokenStream } from "./text/token-stream.ts";
import { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";
import { promptPlaces } from "./visual-tokens/kept-prompt.ts";
import type { RelevanceOf, TokenReduction } from "./visual-tokens/reduce-picture.ts";
import { type VisualTokens, visualTokenPlan } from "./visual-tokens/visual-tokens.ts";

/** What is not told here is as the checkpoint's generation_config.json says. */
export interface GenerateOptions extends SamplingOptions {
  /** 256 unless told, and never more than the model has positions for. */
  readonly maxNewTokens?: number;
  /** Tokens before which the answer does not end; 0 unless told. */
  readonly minNewTokens?: number;
  /** Logits of tokens that were there before are divided by it where above 0, else multiplied; 1, unless told, changes nothing. */
  readonly repetitionPenalty?: number;
  /** Texts that end an answer, and are not part of it. */
  readonly stop?: readonly string[];
  /** That fewer of each picture's tokens go on; as the model was loaded unless told. False: all of them. */
  readonly visualTokens?: VisualTokens | false;
  readonly signal?: AbortSignal;
  /** Text as it comes, with the number of its request. */
  readonly onText?: (text: string, request: number) => void;
}

export interface Answer {
  readonly text: string;
  readonly tokens: readonly number[];
  /** `end`: the model ended it; `stop`: a stop text came; `length`: `maxNewTokens` were reached. */
  readonly finish: TokenAnswer["finish"];
  /** Tokens of the prompt, image tokens among them: those that went on. */
  readonly promptTokens: number;
  /** Of the keys and values that prompt and answer took in the cache. */
  readonly cacheBytes: number;
  /** Of pictures that lost tokens, which stayed. */
  readonly pictures?: readonly TokenReduction[];
}

/** Milliseconds, of all requests of a batch together. */
export interface Timings {
  /** Decoding and preparing pictures. */
  readonly preprocess: number;
  readonly vision: number;
  readonly prefill: number;
  /** From the call to the first token. */
  readonly ttft: number;
  /** Of each token after the first. */
  readonly tokens: readonly number[];
}

export interface Vlm {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  /** Tokens that end an answer. */
  readonly endTokens: readonly number[];
  generate(request: Request, options?: GenerateOptions): Promise<Answer & { readonly timings: Timings }>;
  /** Several requests at once, each answered as it would be alone. */
  generateBatch(
    requests: readonly Request[],
    options?: GenerateOptions,
  ): Promise<{ readonly answers: readonly Answer[]; readonly timings: Timings }>;
  /** Logits of every token of a prompt: `[ids, vocabSize]`. */
  logits(request: Request): Promise<{ readonly ids: readonly number[]; readonly logits: Float32Array }>;
  /** Gives memory back; a checkpoint that the caller opened stays open. */
  release(): Promise<void>;
}

/**
 * A model with its tokenizer and its image processor, as they lie beside its weights.
 * @param load takes in the model itself
 * @param onWarning is told what the checkpoint asks for and is not done
 */
export function vlmFrom(
  platform: Platform,
  location: string | Checkpoint,
  load: (checkpoint: Checkpoint) => Promise<Model>,
  onWarning: (message: string) => void = console.warn,
): Promise<Vlm> {
  return loadFrom(platform, location, (checkpoint) => vlmOf(platform, checkpoint, load, onWarning));
}

async function vlmOf(
  platform: Platform,
  checkpoint: Checkpoint,
  load: (checkpoint: Checkpoint) => Promise<Model>,
  onWarning: (message: string) => void,
): Promise<Vlm> {
  const tokenizer = await loadTokenizer(checkpoint);
  const model = await load(checkpoint);
  const defaults = await generationDefaults(checkpoint);
  for (const warning of defaults.warnings) onWarning(warning);
  const { forward } = model;
  const relevances = relevancesOf(platform, model);
  const prepare = await promptReader(checkpoint, tokenizer, model, platform.decodeImage, relevances.of);

  const planOf = (settings: GenerateOptions["visualTokens"]) => {
    if (settings === undefined) return model.visualTokens;
    return settings === false ? undefined : visualTokenPlan("generate: visualTokens", settings);
  };

  /** Inside of the decoder tokens are dropped for one sequence at a time. */
  async function answerSeverally(dropping: Model, prompts: readonly TokenPrompt[], options: TokenOptions) {
    const answers: TokenAnswer[] = [];
    const timings = { prefill: 0, tokens: [] as number[] };
    for (const [n, prompt] of prompts.entries()) {
      const own = await generateTokens(dropping, [prompt], {
        ...options,
        ...(options.sampling === undefined ? {} : { sampling: [options.sampling[n] as SamplingOptions] }),
        onToken: (_, token) => options.onToken(n, token),
      });
      answers.push(...own.answers);
      timings.prefill += own.timings.prefill;
      timings.tokens.push(...own.timings.tokens);
    }
    return { answers, timings };
  }

  async function generateBatch(requests: readonly Request[], options: GenerateOptions = {}) {
    checkOptions("generate", options, generateRules);
    if (!Array.isArray(requests) || requests.length === 0) {
      throw new OptionError("generate: there are no requests: give at least one");
    }
    for (const [n, request] of requests.entries()) {
      checkRequest(requests.length === 1 ? "generate" : `generate: request ${n}`, request);
    }
    const { maxNewTokens = defaults.maxNewTokens ?? 256, stop = [], signal, onText } = options;
    const { minNewTokens = defaults.minNewTokens, temperature, topK, topP, seed } = options;
    const sampling = {
      temperature: temperature ?? defaults.sampling.temperature,
      topK: topK ?? defaults.sampling.topK,
      topP: topP ?? defaults.sampling.topP,
      seed: seed ?? 0,
    };
    const fewer = planOf(options.visualTokens);
    const repetitionPenalty = options.repetitionPenalty ?? defaults.rules.repetitionPenalty;
    const started = performance.now();
    const prepared: ReadPrompt[] = [];
    try {
      for (const request of requests) {
        signal?.throwIfAborted();
        prepared.push(await prepare(request, fewer));
      }
      const texts = requests.map((_, n) => textOfAnswer(tokenizer, stop, (text) => onText?.(text, n)));
      let ttft = 0;
      const answerTogether =
        fewer?.method.place === "decoder"
          ? answerSeverally.bind(undefined, model.dropping(fewer))
          : generateTokens.bind(undefined, model);
      const { answers, timings } = await answerTogether(
        prepared.map(({ prompt }) => prompt),
        {
          maxNewTokens,
          minNewTokens,
          endTokens: defaults.endTokens,
          // Each request draws from the same seed, so that it is answered as it would be alone.
          sampling: requests.map(() => sampling),
          rules: { ...defaults.rules, repetitionPenalty },
          signal,
          onToken(n, token) {
            if (ttft === 0) ttft = performance.now() - started;
            return texts[n]?.push(token) ?? false;
          },
        },
      );
      const sum = (phase: "preprocess" | "vision") =>
        prepared.reduce((total, part) => total + part[phase], 0);
      return {
        answers: answers.map(({ tokens, finish, cacheBytes }, n) => ({
          text: texts[n]?.finish() ?? "",
          tokens,
          finish,
          promptTokens: prepared[n]?.prompt.ids.length ?? 0,
          cacheBytes,
          ...picturesOf(prepared[n]),
        })),
        timings: {
          preprocess: sum("preprocess"),
          vision: sum("vision"),
          prefill: timings.prefill,
          ttft,
          tokens: timings.tokens,
        },
      };
    } finally {
      releaseFeatures(prepared.flatMap(({ prompt }) => prompt.images));
    }
  }

  return {
    model,
    tokenizer,
    endTokens: defaults.endTokens,
    generateBatch,
    async generate(request, generating) {
      const { answers, timings } = await generateBatch([request], generating);
      return { ...(answers[0] as Answer), timings };
    },
    async logits(request) {
      checkRequest("logits", request);
      const { prompt } = await prepare(request, model.visualTokens);
      const { ids, images, sizes } = prompt;
      let cache: KvCache | undefined;
      try {
        const positions = promptPlaces(forward, prompt);
        tokensLeft(model, prompt, positions);
        cache = model.createCache(1, ids.length);
        const logits = await model.decode({
          cache,
          sequences: [{ ids, positions: positions.axes, past: 0, ...(sizes && { sizes }) }],
          wanted: [...ids.keys()],
          images: {
            features: images.map(({ features }) => features),
            rows: [...ids.keys()].filter((row) => ids[row] === forward.imageToken),
          },
        });
        if (!areSound(logits)) throw await brokenLogits(checkpoint, "the prompt");
        return { ids, logits };
      } finally {
        cache?.release?.();
        releaseFeatures(images);
      }
    },
    async release() {
      await relevances.release();
      await model.release();
    },
  };
}

/** CLIPs that tell how much patches have to do with questions, each loaded when it is first needed. */
function relevancesOf(platform: Platform, { executor }: Model) {
  const loaded = new Map<string, Promise<QuestionRelevance>>();
  return {
    of: (clip: string, question: string): RelevanceOf => {
      const relevance =
        loaded.get(clip) ?? loadFrom(platform, clip, (checkpoint) => questionRelevance(checkpoint, executor));
      loaded.set(clip, relevance);
      return async (states) => (await relevance).of(states, question);
    },
    async release() {
      for (const relevance of loaded.values()) await (await relevance).release();
    },
  };
}

function picturesOf(read: ReadPrompt | undefined): Pick<Answer, "pictures"> {
  const pictures = (read?.prompt.images ?? []).flatMap(({ features }) => features.reduced ?? []);
  return pictures.length === 0 ? {} : { pictures };
}

/** Text that grows until a stop text comes; what might be the beginning of one is held back. */
function textOfAnswer(tokenizer: Tokenizer, stop: readonly string[], onText: (text: string) => void) {
  const stream = tokenStream(tokenizer);
  let [text, shown] = ["", 0];
  const show = (end: number) => {
    if (end > shown) onText(text.slice(shown, end));
    shown = Math.max(shown, end);
  };
  const stopAt = () => {
    const places = stop.map((word) => text.indexOf(word)).filter((place) => place !== -1);
    return places.length === 0 ? undefined : Math.min(...places);
  };
  const heldBack = () => {
    for (let length = Math.max(0, ...stop.map((word) => word.length - 1)); length > 0; length--) {
      if (stop.some((word) => word.length > length && text.endsWith(word.slice(0, length)))) return length;
    }
    return 0;
  };
  return {
    /** @returns whether the answer ends here */
    push(token: number): boolean {
      text += stream.push(token);
      const end = stopAt();
      if (end === undefined) {
        show(text.length - heldBack());
        return false;
      }
      text = text.slice(0, end);
      show(end);
      return true;
    },
    finish(): string {
      if (shown === text.length || stopAt() === undefined) text += stream.finish();
      text = text.slice(0, stopAt() ?? text.length);
      show(text.length);
      return text;
    },
  };
}
