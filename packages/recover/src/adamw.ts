import type { Parameters } from "@vlmopt/models";

/** Means of gradients and of their squares, by the names of weights, and how often they were updated. */
export interface AdamWState {
  readonly means: Map<string, Float32Array>;
  readonly squares: Map<string, Float32Array>;
  updates: number;
}

export interface AdamWSettings {
  /** Step size. */
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled from the gradient: weights shrink by rate · weightDecay. */
  readonly weightDecay: number;
}

export function adamWState(parameters: Parameters): AdamWState {
  const zeros = () => new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]));
  return { means: zeros(), squares: zeros(), updates: 0 };
}

/**
 * Moves weights against their gradients, in place (arXiv:1711.05101, as torch.optim.AdamW computes it). Weights without a gradient stay.
 * @param factor gradients are multiplied by it first
 */
export function adamWStep(
  parameters: Parameters,
  gradients: Parameters,
  factor: number,
  state: AdamWState,
  { rate, beta1, beta2, epsilon, weightDecay }: AdamWSettings,
): void {
  const updates = ++state.updates;
  const stepSize = rate / (1 - beta1 ** updates);
  const correction = Math.sqrt(1 - beta2 ** updates);
  const kept = 1 - rate * weightDecay;
  for (const [name, gradient] of gradients) {
    const weight = parameters.get(name) as Float32Array;
    const mean = state.means.get(name) as Float32Array;
    const square = state.squares.get(name) as Float32Array;
    for (let i = 0; i < weight.length; i++) {
      const g = (gradient[i] as number) * factor;
      const m = beta1 * (mean[i] as number) + (1 - beta1) * g;
      const v = beta2 * (square[i] as number) + (1 - beta2) * g * g;
      mean[i] = m;
      square[i] = v;
      weight[i] = (weight[i] as number) * kept - (stepSize * m) / (Math.sqrt(v) / correction + epsilon);
    }
  }
}

/** √Σ of squares of all numbers. */
export function normOf(gradients: Parameters): number {
  let sum = 0;
  for (const numbers of gradients.values()) {
    for (let i = 0; i < numbers.length; i++) sum += (numbers[i] as number) ** 2;
  }
  return Math.sqrt(sum);
}
