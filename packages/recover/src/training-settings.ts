import { finite, type Rules, whole } from "@vlmopt/options";

export interface TrainingSettings {
  /** Steps of the optimizer; 300 by default. */
  readonly steps?: number | undefined;
  /** In the place of `steps`: milliseconds that training takes. How many steps that are, the first ones tell. */
  readonly time?: number | undefined;
  /** Rows of a step; 8 by default. */
  readonly batch?: number | undefined;
  /** Greatest step size, after the warm-up; by default 1e-3 · √(batch / 32) · 384 / hiddenSize. */
  readonly rate?: number | undefined;
  /** Steps in which the step size grows to that; 20 by default, or a tenth of all. */
  readonly warmup?: number | undefined;
  /** 0 by default. */
  readonly weightDecay?: number | undefined;
  /** Gradients longer than this are shortened to it; 1 by default. */
  readonly clip?: number | undefined;
  /** Steps between tests on what is held out; a tenth of all by default, 50 at most. */
  readonly testEvery?: number | undefined;
  /** Tests without a better result after which training ends; 4 by default. */
  readonly patience?: number | undefined;
  /** Of the order of rows and of what LoRA starts from; 0 by default. */
  readonly seed?: number | undefined;
}

export const trainingRules: Rules<TrainingSettings> = {
  steps: whole(),
  time: finite({ above: 0 }),
  batch: whole(),
  rate: finite({ above: 0 }),
  warmup: whole({ from: 0 }),
  weightDecay: finite({ from: 0 }),
  clip: finite({ above: 0 }),
  testEvery: whole(),
  patience: whole(),
  seed: whole({ from: 0, to: 2 ** 32 - 1 }),
};

/** All that decides a training. Where time ends it, how many steps it has is found on the way. */
export interface TrainingPlan {
  readonly steps?: number | undefined;
  readonly time?: number | undefined;
  readonly batch: number;
  readonly rate: number;
  readonly warmup?: number | undefined;
  readonly weightDecay: number;
  readonly clip: number;
  readonly testEvery?: number | undefined;
  readonly patience: number;
  readonly seed: number;
}

/** @throws {RangeError} where both steps and time are given */
export function trainingPlan(settings: TrainingSettings, hiddenSize: number): TrainingPlan {
  const { steps, time, batch = 8, testEvery, warmup } = settings;
  if (steps !== undefined && time !== undefined)
    throw new RangeError("training ends after steps or after a time: give one of the two");
  return {
    steps: time === undefined ? (steps ?? 300) : undefined,
    time,
    batch,
    rate: settings.rate ?? (1e-3 * Math.sqrt(Math.min(1, batch / 32)) * 384) / hiddenSize,
    warmup,
    weightDecay: settings.weightDecay ?? 0,
    clip: settings.clip ?? 1,
    testEvery,
    patience: settings.patience ?? 4,
    seed: settings.seed ?? 0,
  };
}

/**
 * The step size of a step, from 0: it grows to the greatest, then falls as a cosine to a fiftieth of it.
 */
export function rateOf(step: number, steps: number, { rate, warmup }: Pick<TrainingPlan, "rate" | "warmup">) {
  const rising = Math.min(warmup ?? 20, Math.ceil(steps / 10));
  if (step < rising) return (rate * (step + 1)) / rising;
  const share = (step - rising) / Math.max(1, steps - rising);
  const lowest = 0.02;
  return rate * (lowest + (1 - lowest) * 0.5 * (1 + Math.cos(Math.PI * share)));
}

/** Steps between two tests. */
export function testInterval(steps: number, { testEvery }: Pick<TrainingPlan, "testEvery">): number {
  return testEvery ?? Math.max(1, Math.min(50, Math.round(steps / 10)));
}
