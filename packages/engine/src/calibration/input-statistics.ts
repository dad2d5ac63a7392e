import type { Activations, InputStatistics, Ops, ResidualTarget } from "@vlmopt/models";

export interface ProbeOptions {
  /** Of which linears, by their weights, products of each two channels of what goes into them are summed too; true for all. */
  readonly gram?: boolean | readonly string[];
}

/** What went into the linears of a pass, over all its runs. */
export interface PassStatistics {
  /** By the names of weights; linears that take in the same have one object. */
  readonly inputs: Activations;
  /** By the names of weights whose linears the pass has a target for. */
  readonly targets: ReadonlyMap<string, ResidualTarget>;
}

/** A value that goes into linears. */
export interface Probed<T> {
  readonly x: T;
  readonly weights: readonly string[];
  readonly gram: boolean;
  readonly targets: readonly { readonly weight: string; readonly wanted: T }[];
}

/** Operations whose linears are noted down. `probed` gives each value that went into some, once. */
export function withProbes<T>(
  ops: Ops<T>,
  { gram = false }: ProbeOptions,
): { readonly ops: Ops<T>; probed(): readonly Probed<T>[] } {
  const weightsOf = new Map<T, string[]>();
  const wantedOf = new Map<string, T>();
  const note = (x: T, weight: string) => {
    const weights = weightsOf.get(x);
    if (weights === undefined) weightsOf.set(x, [weight]);
    else weights.push(weight);
  };
  return {
    ops: {
      ...ops,
      linear(x, weight, bias) {
        note(x, weight);
        return ops.linear(x, weight, bias);
      },
      linearTransposed(x, weight, bias) {
        note(x, weight);
        return ops.linearTransposed(x, weight, bias);
      },
      target: (weight, wanted) => void wantedOf.set(weight, wanted),
    },
    probed: () =>
      [...weightsOf].map(([x, weights]) => ({
        x,
        weights,
        gram: gram === true || (gram !== false && weights.some((weight) => gram.includes(weight))),
        targets: weights.flatMap((weight) => {
          const wanted = wantedOf.get(weight);
          return wanted === undefined ? [] : [{ weight, wanted }];
        }),
      })),
  };
}

/** Figures of a batch's sequences: sums of x, x² and |x|, and the greatest |x|, `[sequences, 4, channels]`. */
export interface Moments {
  readonly sequences: number;
  /** Of each sequence. */
  readonly tokens: number;
  readonly figures: Float32Array | Float64Array;
}

/** Figures that `Moments` has of each channel. */
export const MOMENTS = 4;

/** Sums over batches, in F64. */
export interface RunningStatistics {
  addMoments(moments: Moments): void;
  /**
   * Products over a batch's tokens of some channels, from `first` on, and all from that one on: what is left of the diagonal is not read, since
   * the matrix is symmetric.
   */
  addGram(products: Float32Array | Float64Array, first?: number): void;
  /** Of a target and each channel, and the target's squares. */
  addTarget(weight: string, products: Float32Array | Float64Array, squares: number): void;
  statistics(): ProbeStatistics;
}

/** Of a value that goes into linears. */
export interface ProbeStatistics {
  readonly input: InputStatistics;
  readonly targets: ReadonlyMap<string, ResidualTarget>;
}

export function runningStatistics(channels: number): RunningStatistics {
  let tokens = 0;
  const [sum, squares, sumAbs, maxAbs, magnitudes] = [0, 0, 0, 0, 0].map(
    () => new Float64Array(channels),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  let gram: Float64Array | undefined;
  const targets = new Map<string, { cross: Float64Array; squares: number }>();
  return {
    addMoments({ sequences, tokens: each, figures }) {
      tokens += sequences * each;
      for (let n = 0; n < sequences; n++) {
        const [sums, powers, sizes, most] = [0, 1, 2, 3].map((i) => (n * MOMENTS + i) * channels) as [
          number,
          number,
          number,
          number,
        ];
        for (let i = 0; i < channels; i++) {
          sum[i] = (sum[i] as number) + (figures[sums + i] as number);
          squares[i] = (squares[i] as number) + (figures[powers + i] as number);
          sumAbs[i] = (sumAbs[i] as number) + (figures[sizes + i] as number);
          magnitudes[i] = (magnitudes[i] as number) + ((figures[sizes + i] as number) / each) ** 2;
          maxAbs[i] = Math.max(maxAbs[i] as number, figures[most + i] as number);
        }
      }
    },
    addGram(products, first = 0) {
      gram ??= new Float64Array(channels * channels);
      const width = channels - first;
      for (let row = 0; row * width < products.length; row++) {
        const [from, to] = [row * width, (first + row) * channels + first];
        for (let j = row; j < width; j++)
          gram[to + j] = (gram[to + j] as number) + (products[from + j] as number);
      }
    },
    addTarget(weight, products, more) {
      const found = targets.get(weight);
      targets.set(weight, {
        cross: added(found?.cross, products),
        squares: (found?.squares ?? 0) + more,
      });
    },
    statistics: () => ({
      input: {
        tokens,
        mean: sum.map((value) => value / tokens),
        meanSquare: squares.map((value) => value / tokens),
        meanAbs: sumAbs.map((value) => value / tokens),
        maxAbs: maxAbs.slice(),
        sequenceMagnitude: magnitudes.map(Math.sqrt),
        gram: gram && mirrored(gram, channels),
      },
      targets,
    }),
  };
}

function added(sums: Float64Array | undefined, products: Float32Array | Float64Array): Float64Array {
  if (sums === undefined) return Float64Array.from(products);
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + (products[i] as number);
  return sums;
}

/** Fills in what is left of the diagonal. */
function mirrored(gram: Float64Array, size: number): Float64Array {
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) gram[i * size + j] = gram[j * size + i] as number;
  }
  return gram;
}

/** A pass's statistics from those of the values that were probed. */
export function passStatistics(
  probed: readonly Pick<Probed<unknown>, "weights">[],
  found: readonly (ProbeStatistics | undefined)[],
): PassStatistics {
  const inputs = new Map<string, InputStatistics>();
  const targets = new Map<string, ResidualTarget>();
  for (const [n, { weights }] of probed.entries()) {
    const own = found[n];
    if (own === undefined) continue;
    for (const weight of weights) inputs.set(weight, own.input);
    for (const [weight, target] of own.targets) targets.set(weight, target);
  }
  return { inputs, targets };
}

/** @throws {RangeError} where NaN or infinite numbers go into a linear */
export function assertFinite(inputs: Activations, where: string): void {
  for (const [weight, { meanSquare, mean }] of inputs) {
    const channel = meanSquare.findIndex((value, i) => !Number.isFinite(value + (mean[i] as number)));
    if (channel >= 0) {
      throw new RangeError(
        `${where}: NaN or infinite numbers go into ${weight} (channel ${channel} of ${mean.length}); look for broken weights before it`,
      );
    }
  }
}
