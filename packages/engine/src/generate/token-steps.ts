import type { DeviceTensor, Executor, TokenChoice } from "../executors/executor.ts";
import { areSound, NO_TOKEN } from "./broken-logits.ts";
import { drawToken } from "./sample.ts";

/** Where the logits of a batch's tokens come from, one token of each sequence at a time. */
export interface TokenSource {
  /** Logits of the first tokens. */
  prefill(): Promise<DeviceTensor>;
  /** Those of the tokens after these; step counts from 0. */
  next(step: number, tokens: ArrayLike<number> | DeviceTensor<Int32Array>): Promise<DeviceTensor>;
  /** Tokens that may not come at this step of a sequence. */
  excluded(step: number, sequence: number): readonly number[];
  /** Tokens of each sequence, at most. */
  readonly steps: number;
}

/** Steps that are under way before the token of the first of them is read. */
const AHEAD = 3;

/**
 * Tokens of all sequences, step by step, chosen on the host from logits that it reads.
 * @param adjust changes the logits of a sequence by its tokens so far
 */
export async function* stepByStep(
  source: TokenSource,
  choices: readonly TokenChoice[],
  adjust: (logits: Float32Array, sequence: number, tokens: readonly number[]) => void,
): AsyncGenerator<ArrayLike<number>> {
  const chosen = choices.map((): number[] => []);
  let logits = await source.prefill();
  for (let step = 0; ; step++) {
    const all = await logits.read();
    logits.release?.();
    const vocabSize = logits.shape.at(-1) as number;
    const tokens = choices.map((choice, n) => {
      const own = all.subarray(n * vocabSize, (n + 1) * vocabSize);
      if (!areSound(own)) return NO_TOKEN;
      adjust(own, n, chosen[n] as number[]);
      for (const token of source.excluded(step, n)) {
        if (token < vocabSize) own[token] = Number.NEGATIVE_INFINITY;
      }
      const token = drawToken(own, choice, choice.uniforms[step] as number);
      chosen[n]?.push(token);
      return token;
    });
    yield tokens;
    if (step + 1 >= source.steps) return;
    logits = await source.next(step, tokens);
  }
}

/**
 * The same, chosen where logits are computed: the next steps are under way before a token has been read, so that nothing waits for the
 * host. What was begun in vain when an answer ends is dropped.
 */
export async function* stepsAhead(
  source: TokenSource,
  choices: readonly TokenChoice[],
  chooserOf: NonNullable<Executor["chooser"]>,
): AsyncGenerator<ArrayLike<number>> {
  const chooser = chooserOf(choices);
  const reading: Promise<Int32Array>[] = [];
  try {
    let logits = await source.prefill();
    for (let step = 0; step < source.steps; step++) {
      const tokens = await chooser.choose(logits, step, source.excluded(step, 0));
      logits.release?.();
      const read = tokens.read();
      reading.push(read);
      // The first token is waited for, since it says when it came.
      if (step === 0 || reading.length > AHEAD) yield (await reading.shift()) as Int32Array;
      if (step + 1 < source.steps) logits = await source.next(step, tokens);
      const release = () => tokens.release?.();
      read.then(release, release);
    }
    while (reading.length > 0) yield (await reading.shift()) as Int32Array;
  } finally {
    await Promise.allSettled(reading);
    chooser.release();
  }
}
