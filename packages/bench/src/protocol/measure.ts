import type { ProtocolSpec } from "../recipe/recipe.ts";
import type { AnswerRecord, BenchRecord, SpeedRecord } from "../records/bench-record.ts";
import type { Journal } from "../records/journal.ts";
import { promptText } from "../targets/prompt-parts.ts";
import { RequestFailure } from "../targets/request-failure.ts";
import type { Target, TargetAnswer } from "../targets/target.ts";
import { type FailureLimit, failureCount } from "./failure-count.ts";

/** A question with its pictures in files. */
export interface Item {
  readonly id: string;
  readonly question: string;
  readonly images: readonly string[];
  /** Most tokens of its answer, where it does not leave that to the protocol. */
  readonly maxNewTokens?: number;
  /** File, row and picture, for messages. */
  readonly place: string;
}

export interface Measuring {
  readonly hash: string;
  readonly journal: Journal;
  readonly items: readonly Item[];
  readonly protocol: ProtocolSpec;
  /** Requests under way at once. */
  readonly concurrency: number;
  /** Questions that may stay unanswered. */
  readonly limit: FailureLimit;
  /** Told of each question that could not be answered. */
  readonly onUnanswered?: ((item: Item, error: string) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/** How much of the requests that measure speed is to be there: all, or after a round a part. */
export interface SpeedGoal {
  readonly repetitions: number;
  readonly milliseconds: number;
}

/** After this round of so many. */
export function speedGoal(
  { minRepetitions, minSeconds }: ProtocolSpec,
  { round, rounds }: { readonly round: number; readonly rounds: number },
): SpeedGoal {
  return {
    repetitions: Math.ceil((minRepetitions * round) / rounds),
    milliseconds: (1000 * minSeconds * round) / rounds,
  };
}

/** What a journal holds of a variant's speed; requests at once share the time. */
export function speedSoFar(
  records: readonly BenchRecord[],
  hash: string,
  concurrency: number,
): { readonly repetitions: Set<number>; readonly milliseconds: number } {
  const speeds = records.filter(
    (record): record is SpeedRecord => record.kind === "speed" && record.hash === hash,
  );
  return {
    repetitions: new Set(speeds.map(({ repetition }) => repetition)),
    milliseconds: speeds.reduce((sum, { latency }) => sum + latency, 0) / concurrency,
  };
}

/**
 * Speed, at a fixed number of new tokens: warm-ups that do not count, then requests until there have been so many and so long.
 * What the journal holds already counts. Questions that cannot be answered are not asked again.
 * @throws {BenchError} where too many cannot
 */
export async function measureSpeed(
  target: Target,
  measuring: Measuring & { readonly goal: SpeedGoal },
): Promise<void> {
  const { hash, journal, items, protocol, concurrency, signal, onProgress, goal } = measuring;
  const { newTokens, warmups } = protocol;
  const before = speedSoFar(journal.records, hash, concurrency);
  const known = before.repetitions;
  const first = known.size;
  let next = 0;
  /** Of requests that ran at once, any may be missing of an earlier run. */
  const unknown = () => {
    while (known.has(next)) next++;
    known.add(next);
    return next;
  };
  let { milliseconds } = before;
  const enough = () => known.size >= goal.repetitions && milliseconds >= goal.milliseconds;
  if (enough()) return;
  const askable = [...items];
  const failures = failureCount(measuring.limit);
  const ask = async (number: number): Promise<TargetAnswer> => {
    const item = askable[number % askable.length] as Item;
    try {
      const { question, images } = item;
      return await target.answer({ question, images, maxNewTokens: newTokens, fixedLength: true });
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      signal?.throwIfAborted();
      // Of requests at once, another may have taken it out.
      if (askable.includes(item)) {
        askable.splice(askable.indexOf(item), 1);
        failures.add(item, error);
      }
      return ask(number);
    }
  };
  await inParallel(concurrency, warming(Math.max(warmups, concurrency > 1 ? concurrency : 0)), signal, ask);
  await inParallel(
    concurrency,
    () => (enough() ? undefined : unknown()),
    signal,
    async (number) => {
      const answer = await ask(number);
      milliseconds += answer.latency / concurrency;
      const { ttft, tokens, latency, promptTokens } = answer;
      const made = answer.newTokens ?? tokens.length + 1;
      journal.append({
        kind: "speed",
        hash,
        repetition: number,
        ttft,
        tokens,
        latency,
        promptTokens,
        newTokens: made,
      });
      onProgress(Math.max(0, Math.min(known.size, goal.repetitions) - first), goal.repetitions - first);
    },
  );
}

/**
 * Answers that end by themselves, one for each question; those that the journal holds are not asked for again. A question that cannot be
 * answered is noted, and the others go on.
 * @throws {BenchError} where too many cannot
 */
export async function collectAnswers(target: Target, measuring: Measuring): Promise<void> {
  const { hash, journal, items, protocol, concurrency, signal, onProgress } = measuring;
  const answered = new Set(
    journal.records
      .filter((record): record is AnswerRecord => record.kind === "answer" && record.hash === hash)
      .map(({ item }) => item),
  );
  const left = items.filter(({ id }) => !answered.has(id));
  const failures = failureCount(measuring.limit);
  let [next, done] = [0, answered.size];
  await inParallel(
    concurrency,
    () => (next < left.length ? next++ : undefined),
    signal,
    async (number) => {
      const item = left[number] as Item;
      const { id, question, images, maxNewTokens = protocol.maxAnswerTokens } = item;
      let answer: TargetAnswer;
      try {
        answer = await target.answer({ question, images, maxNewTokens, fixedLength: false });
      } catch (error) {
        if (!(error instanceof RequestFailure)) throw error;
        signal?.throwIfAborted();
        journal.append({ kind: "unanswered", hash, item: id, error: error.message });
        measuring.onUnanswered?.(item, error.message);
        failures.add(item, error);
        onProgress(++done, items.length);
        return;
      }
      const { text, promptTokens, newTokens, cacheBytes = null, pictures, finish, latency } = answer;
      journal.append({
        kind: "answer",
        hash,
        item: id,
        prompt: promptText(question, images.length),
        prediction: text,
        promptTokens,
        newTokens,
        cacheBytes,
        ...(pictures === undefined ? {} : { pictures }),
        finish,
        latency,
      });
      onProgress(++done, items.length);
    },
  );
}

function warming(count: number): () => number | undefined {
  let next = 0;
  return () => (next < count ? next++ : undefined);
}

/**
 * Works on what `take` gives out until that is nothing or the signal comes, so many pieces at a time; after a failure those under way are
 * waited for.
 */
async function inParallel(
  width: number,
  take: () => number | undefined,
  signal: AbortSignal | undefined,
  work: (piece: number) => Promise<unknown>,
): Promise<void> {
  let failed = false;
  const lane = async () => {
    while (!failed) {
      signal?.throwIfAborted();
      const piece = take();
      if (piece === undefined) return;
      try {
        await work(piece);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: width }, lane));
  for (const result of lanes) if (result.status === "rejected") throw result.reason;
}
