import type { Positions } from "@vlmopt/models";
import { checkOptions, OptionError } from "@vlmopt/options";
import type { ImageFeatures } from "../image-features.ts";
import type { Model } from "../model.ts";
import { generateRules } from "../option-rules.ts";
import { promptPlaces } from "../visual-tokens/kept-prompt.ts";
import { brokenLogits, NO_TOKEN } from "./broken-logits.ts";
import {
  applyEarlierTokens,
  excludedTokens,
  type LogitsRules,
  needsEarlierTokens,
  noRules,
} from "./logits-rules.ts";
import { type SamplingOptions, sampler, uniformNumbers } from "./sample.ts";
import { stepByStep, stepsAhead, type TokenSource } from "./token-steps.ts";

/** A prompt as tokens, image tokens among them, and the features that take their place. */
export interface TokenPrompt {
  readonly ids: readonly number[];
  readonly images: readonly {
    readonly features: ImageFeatures;
    readonly grid?: readonly [number, number, number];
  }[];
  /** Where tokens stand; unless told, as all tokens of the pictures have it. */
  readonly places?: Positions;
  /** How many tokens each counts as; one unless told. */
  readonly sizes?: readonly number[];
}

export interface TokenOptions {
  readonly maxNewTokens: number;
  /** Tokens before which no end token is taken. */
  readonly minNewTokens: number;
  /** Tokens that end an answer; they are not part of it. */
  readonly endTokens: readonly number[];
  /** How tokens of each prompt are drawn; the likeliest unless told. */
  readonly sampling?: readonly SamplingOptions[];
  /** What changes logits before tokens are chosen; nothing unless told. */
  readonly rules?: LogitsRules;
  readonly signal: AbortSignal | undefined;
  /** Called with each new token of each answer; true ends that answer. */
  readonly onToken: (answer: number, token: number) => boolean;
}

export interface TokenAnswer {
  readonly tokens: readonly number[];
  /** Why it ended: an end token, `onToken`'s word, or as many tokens as were allowed. */
  readonly finish: "end" | "stop" | "length";
  /** Of the keys and values that the prompt and the answer took in the cache. */
  readonly cacheBytes: number;
}

export interface TokenTimings {
  /** Milliseconds of all prompts' way through the decoder. */
  readonly prefill: number;
  /** Of each step after it. */
  readonly tokens: readonly number[];
}

/**
 * Answers prompts together, one token of each at a time.
 * @throws {RangeError} where a prompt's image tokens are not as many as its pictures' features, or an option is out of its range
 */
export async function generateTokens(
  model: Model,
  prompts: readonly TokenPrompt[],
  options: TokenOptions,
): Promise<{ answers: TokenAnswer[]; timings: TokenTimings }> {
  const { minNewTokens, endTokens, rules = noRules, signal, onToken } = options;
  signal?.throwIfAborted();
  const { maxNewTokens: mostTokens } = options;
  const { repetitionPenalty } = rules;
  checkOptions<object>(
    "generateTokens",
    { maxNewTokens: mostTokens, minNewTokens, repetitionPenalty },
    generateRules,
  );
  if (prompts.length === 0) throw new OptionError("generateTokens: there are no prompts: give at least one");
  for (const prompt of prompts) assertImageTokens(model, prompt);
  const positions = prompts.map((prompt) => promptPlaces(model.forward, prompt));
  const limits = prompts.map((prompt, n) =>
    Math.min(mostTokens, tokensLeft(model, prompt, positions[n] as Positions)),
  );
  const maxNewTokens = Math.max(...limits);
  const choices = prompts.map((_, n) => {
    const own = sampler(options.sampling?.[n]);
    return { ...own, uniforms: uniformNumbers(own.seed, maxNewTokens) };
  });
  const longest = Math.max(...prompts.map(({ ids }) => ids.length));
  const cache = model.createCache(prompts.length, longest + maxNewTokens);
  const answers = prompts.map(() => ({
    tokens: [] as number[],
    finish: "length" as TokenAnswer["finish"],
    done: false,
  }));
  const source: TokenSource = {
    prefill: () =>
      model.step({
        cache,
        sequences: prompts.map(({ ids, sizes }, n) => ({
          ...{ ids, positions: positions[n]?.axes ?? [], past: 0 },
          ...(sizes && { sizes }),
        })),
        wanted: prompts.map(({ ids }, n) => n * longest + ids.length - 1),
        images: {
          features: prompts.flatMap(({ images }) => images.map(({ features }) => features)),
          rows: prompts.flatMap(({ ids }, n) => imageRows(model, ids).map((row) => n * longest + row)),
        },
      }),
    next: (step, tokens) =>
      model.step({
        cache,
        sequences: prompts.map(({ ids, sizes }, n) => {
          // An answer that has ended for want of positions goes on unheard at the last.
          const place = Math.min((positions[n]?.next ?? 0) + step, model.forward.maxPositions - 1);
          const position = Int32Array.of(place);
          const known = "read" in tokens ? 0 : (tokens[n] as number);
          const past = ids.length + step;
          return { ids: [known], positions: [position, position, position], past, ...(sizes && { sizes }) };
        }),
        wanted: prompts.map((_, n) => n),
        ...("read" in tokens ? { tokens } : {}),
      }),
    excluded: (step, n) =>
      excludedTokens(rules, { step, minNewTokens, endTokens, promptTokens: prompts[n]?.ids.length ?? 0 }),
    steps: maxNewTokens,
  };
  const { chooser } = model.executor;
  const sameLengths = new Set(prompts.map(({ ids }) => ids.length)).size === 1 || rules.minLength === 0;
  const onHost = chooser === undefined || needsEarlierTokens(rules) || !sameLengths;
  const steps = onHost
    ? stepByStep(source, choices, (logits, n, tokens) =>
        applyEarlierTokens(logits, rules, [...(prompts[n]?.ids ?? []), ...tokens]),
      )
    : stepsAhead(source, choices, chooser);

  const times: number[] = [];
  let started = performance.now();
  try {
    // An answer that has ended goes on unheard while others do not.
    for await (const tokens of steps) {
      times.push(performance.now() - started);
      for (const [n, answer] of answers.entries()) {
        if (answer.done) continue;
        const token = tokens[n] as number;
        if (token === NO_TOKEN)
          throw await brokenLogits(model.checkpoint, `token ${answer.tokens.length} of the answer`);
        if (endTokens.includes(token)) {
          Object.assign(answer, { finish: "end", done: true });
          continue;
        }
        answer.tokens.push(token);
        if (onToken(n, token)) Object.assign(answer, { finish: "stop", done: true });
        else if (answer.tokens.length >= (limits[n] as number)) answer.done = true;
      }
      if (answers.every(({ done }) => done)) break;
      signal?.throwIfAborted();
      started = performance.now();
    }
  } finally {
    cache.release?.();
  }
  return {
    answers: answers.map(({ tokens, finish }, n) => ({
      tokens,
      finish,
      cacheBytes:
        cache.bytesPerToken * ((prompts[n]?.ids.length ?? 0) + tokens.length) - (cache.droppedBytes ?? 0),
    })),
    timings: { prefill: times[0] ?? 0, tokens: times.slice(1) },
  };
}

/**
 * Tokens of an answer at most, so that none has a place behind the model's last position.
 * @throws {RangeError} where the prompt alone is longer
 */
export function tokensLeft(
  { forward: { maxPositions } }: Model,
  { ids, images }: TokenPrompt,
  { next }: { readonly next: number },
): number {
  if (next <= maxPositions) return maxPositions - next + 1;
  throw new RangeError(
    `the prompt takes ${next} positions (${ids.length} tokens, ${images.length} pictures), and the model has ${maxPositions} (max_position_embeddings): shorten it`,
  );
}

function imageRows({ forward: { imageToken } }: Model, ids: readonly number[]): number[] {
  return imageToken === undefined ? [] : [...ids.keys()].filter((row) => ids[row] === imageToken);
}

function assertImageTokens(model: Model, { ids, images }: TokenPrompt): void {
  const tokens = imageRows(model, ids).length;
  const rows = images.reduce((sum, { features }) => sum + features.rows, 0);
  if (tokens !== rows) {
    throw new RangeError(
      `the prompt has ${tokens} image tokens, but its ${images.length} pictures have ${rows} features`,
    );
  }
}
