import type { Lesson, Parameters } from "@vlmopt/models";
import { type AdamWState, adamWState, adamWStep, normOf } from "./adamw.ts";
import { rowsOfStep } from "./row-order.ts";
import { rateOf, type TrainingPlan, testInterval } from "./training-settings.ts";

/** How far a training is: all that it needs to go on. */
export interface TrainingState {
  readonly parameters: Map<string, Float32Array>;
  readonly optimizer: AdamWState;
  /** Of the best test so far. */
  readonly best: { parameters: Map<string, Float32Array>; loss: number; step: number };
  /** Of what the student came with, on what is held out. */
  readonly initialLoss: number;
  /** Steps done. */
  step: number;
  /** Steps in all, once that is known. */
  steps: number | undefined;
  /** Tests since the best. */
  worse: number;
  /** Of each test: steps done, loss. */
  readonly tests: (readonly [step: number, loss: number])[];
}

/** Where states are kept, so that a training that was stopped goes on. */
export interface TrainingStore {
  read(): Promise<TrainingState | undefined>;
  write(state: TrainingState): Promise<void>;
}

export interface StepReport {
  /** From 1. */
  readonly step: number;
  /** In all; undefined until time told. */
  readonly steps: number | undefined;
  /** Mean of the step's tokens. */
  readonly loss: number;
  readonly rate: number;
  /** √Σ of squares of the gradient, before it was shortened. */
  readonly gradientNorm: number;
  readonly tokensPerSecond: number;
  /** Of what is held out, after steps that were tested. */
  readonly heldOutLoss: number | undefined;
  /** Milliseconds, as far as is known. */
  readonly left: number | undefined;
}

export interface TrainOptions {
  readonly store?: TrainingStore | undefined;
  /** Milliseconds between states that are kept; five minutes by default. */
  readonly keepEvery?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((report: StepReport) => void) | undefined;
}

export interface Training {
  /** Of the best test; what the student came with where none was better. */
  readonly parameters: Parameters;
  readonly initialLoss: number;
  readonly bestLoss: number;
  readonly bestStep: number;
  /** Steps done. */
  readonly steps: number;
  /** `no better`: as many tests as patience has. `not finite`: a loss or a gradient was. */
  readonly end: "done" | "no better" | "not finite";
  readonly tests: readonly (readonly [step: number, loss: number])[];
}

const BETAS = { beta1: 0.9, beta2: 0.98, epsilon: 1e-8 };
/** Steps that tell how long others take; the first is slower. */
const TIMED_STEPS = 3;

/**
 * Trains a student, and keeps what is best on data held out.
 * @param initial numbers of all weights that are trained; they are not changed
 * @throws {RangeError} where the student's loss is not finite before anything is learned
 */
export async function train(
  lesson: Lesson,
  initial: Parameters,
  plan: TrainingPlan,
  { store, keepEvery = 300_000, signal, onStep }: TrainOptions = {},
): Promise<Training> {
  const state = (await store?.read()) ?? (await begun(lesson, initial, plan));
  const sparse = [...initial].flatMap(([name, numbers]) => (isSparse(numbers) ? [name] : []));
  let kept = performance.now();
  const started = kept;
  const first = state.step;
  let timed = started;
  let end: Training["end"] = "done";
  while (state.steps === undefined || state.step < state.steps) {
    if (signal?.aborted) await store?.write(state);
    signal?.throwIfAborted();
    const before = performance.now();
    const rows = rowsOfStep(state.step, plan.batch, lesson.tokens.length, plan.seed);
    const tokens = rows.reduce((sum, row) => sum + (lesson.tokens[row] as number), 0);
    const { loss, gradients } = await lesson.gradient(state.parameters, rows);
    const gradientNorm = normOf(gradients) / tokens;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      end = "not finite";
      break;
    }
    keepZeros(state.parameters, gradients, sparse);
    // Until time has told how many steps there are, the step size still rises.
    const rate = rateOf(state.step, state.steps ?? 10 * TIMED_STEPS, plan);
    const factor = Math.min(1, plan.clip / gradientNorm) / tokens;
    adamWStep(state.parameters, gradients, factor, state.optimizer, {
      ...BETAS,
      rate,
      weightDecay: plan.weightDecay,
    });
    state.step++;
    if (state.step === first + 1) timed = performance.now();
    if (state.steps === undefined && state.step - first === TIMED_STEPS)
      state.steps = stepsWithin(plan.time as number, started, timed, state.step);
    const { steps } = state;
    const isLast = steps !== undefined && state.step >= steps;
    const isTested = isLast || (steps !== undefined && state.step % testInterval(steps, plan) === 0);
    const heldOutLoss = isTested ? await test(lesson, state) : undefined;
    const now = performance.now();
    onStep?.({
      step: state.step,
      steps,
      loss: loss / tokens,
      rate,
      gradientNorm,
      tokensPerSecond: (1000 * tokens) / (now - before),
      heldOutLoss,
      left: steps === undefined ? undefined : ((now - started) / (state.step - first)) * (steps - state.step),
    });
    if (state.worse >= plan.patience) {
      end = "no better";
      break;
    }
    if (store !== undefined && now - kept > keepEvery) {
      await store.write(state);
      kept = performance.now();
    }
  }
  return {
    parameters: state.best.parameters,
    initialLoss: state.initialLoss,
    bestLoss: state.best.loss,
    bestStep: state.best.step,
    steps: state.step,
    end,
    tests: state.tests,
  };
}

async function begun(lesson: Lesson, initial: Parameters, { steps }: TrainingPlan): Promise<TrainingState> {
  const initialLoss = await lesson.heldOutLoss(initial);
  if (!Number.isFinite(initialLoss)) {
    throw new RangeError(
      `the student's loss on data that is held out is ${initialLoss} before it has learned anything: its weights give numbers that are not finite`,
    );
  }
  return {
    parameters: copied(initial),
    optimizer: adamWState(initial),
    best: { parameters: copied(initial), loss: initialLoss, step: 0 },
    initialLoss,
    step: 0,
    steps,
    worse: 0,
    tests: [[0, initialLoss]],
  };
}

/** Tests the student, and keeps it where it is the best so far. */
async function test(lesson: Lesson, state: TrainingState): Promise<number> {
  const loss = await lesson.heldOutLoss(state.parameters);
  state.tests.push([state.step, loss]);
  if (loss < state.best.loss) {
    state.best.loss = loss;
    state.best.step = state.step;
    for (const [name, numbers] of state.parameters) state.best.parameters.get(name)?.set(numbers);
    state.worse = 0;
  } else {
    state.worse++;
  }
  return loss;
}

/** @param timed when the first step was done */
function stepsWithin(time: number, started: number, timed: number, done: number): number {
  const now = performance.now();
  const each = (now - timed) / (TIMED_STEPS - 1);
  return Math.max(done, done + Math.floor((time - (now - started)) / each));
}

/** A weight of so many zeros was pruned one by one: what is zero stays zero. */
const SPARSE_SHARE = 0.05;

/** Whether a weight was pruned number by number; one of zeros alone has not learned yet. */
export function isSparse(numbers: Float32Array): boolean {
  const zeros = numbers.filter((x) => x === 0).length;
  return zeros > SPARSE_SHARE * numbers.length && zeros < numbers.length;
}

function keepZeros(parameters: Parameters, gradients: Parameters, names: readonly string[]): void {
  for (const name of names) {
    const [numbers, gradient] = [parameters.get(name), gradients.get(name)];
    numbers?.forEach((x, i) => {
      if (x === 0 && gradient !== undefined) gradient[i] = 0;
    });
  }
}

function copied(parameters: Parameters): Map<string, Float32Array> {
  return new Map([...parameters].map(([name, numbers]) => [name, Float32Array.from(numbers)]));
}
