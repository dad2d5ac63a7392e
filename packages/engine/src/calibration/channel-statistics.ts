/** What came by at a probe: of each channel over all tokens. */
export interface ChannelStatistics {
  readonly tokens: number;
  readonly mean: Float64Array;
  readonly meanSquare: Float64Array;
  /** The greatest |x|. */
  readonly maxAbs: Float64Array;
  /** Σ xᵀx over the tokens `[channels, channels]`, where it was asked for: 8 bytes for each pair of channels. */
  readonly gram?: Float64Array;
}

export interface ProbeOptions {
  /** Whether products of each two channels are summed too. */
  readonly gram?: boolean;
}

/** Running statistics by the names of probes, in F64. */
export interface ProbeRecorder {
  /**
   * @param shape `[batch, tokens, channels]`
   * @param lengths tokens of each sequence that are not padding; all of them unless told
   */
  record(name: string, shape: readonly number[], data: Float32Array, lengths?: readonly number[]): void;
  statistics(): ReadonlyMap<string, ChannelStatistics>;
}

interface Sums {
  tokens: number;
  readonly sum: Float64Array;
  readonly squares: Float64Array;
  readonly maxAbs: Float64Array;
  /** Its lower triangle is not kept. */
  readonly gram: Float64Array | undefined;
}

export function probeRecorder({ gram = false }: ProbeOptions): ProbeRecorder {
  const found = new Map<string, Sums>();
  return {
    record(name, shape, data, lengths) {
      const [batch, tokens, channels] = shape as [number, number, number];
      let sums = found.get(name);
      if (sums === undefined) {
        sums = emptySums(channels, gram);
        found.set(name, sums);
      }
      for (let n = 0; n < batch; n++) {
        const own = lengths?.length === batch ? (lengths[n] as number) : tokens;
        addTokens(sums, data.subarray(n * tokens * channels, (n * tokens + own) * channels), own);
      }
    },
    statistics: () => new Map([...found].map(([name, sums]) => [name, statisticsOf(sums)])),
  };
}

function emptySums(channels: number, gram: boolean): Sums {
  return {
    tokens: 0,
    sum: new Float64Array(channels),
    squares: new Float64Array(channels),
    maxAbs: new Float64Array(channels),
    gram: gram ? new Float64Array(channels * channels) : undefined,
  };
}

function addTokens(sums: Sums, x: Float32Array, tokens: number): void {
  const { sum, squares, maxAbs, gram } = sums;
  const channels = sum.length;
  sums.tokens += tokens;
  for (let at = 0; at < x.length; at += channels) {
    for (let i = 0; i < channels; i++) {
      const value = x[at + i] as number;
      sum[i] = (sum[i] as number) + value;
      squares[i] = (squares[i] as number) + value * value;
      maxAbs[i] = Math.max(maxAbs[i] as number, Math.abs(value));
    }
  }
  if (gram !== undefined) addProducts(gram, x, channels);
}

/** Tokens that the matrix takes in at once: so often is it read, and so many rows stay in the processor's cache. */
const TILE = 16;

function addProducts(gram: Float64Array, x: Float32Array, channels: number): void {
  // What is missing from the last four tokens is zeros, which add nothing.
  const tokens = Math.ceil(x.length / channels / 4) * 4;
  const padded = new Float32Array(tokens * channels);
  padded.set(x);
  for (let start = 0; start < tokens; start += TILE) {
    const end = Math.min(start + TILE, tokens);
    for (let i = 0; i < channels; i++) {
      const row = i * channels;
      for (let token = start; token < end; token += 4) {
        const t0 = token * channels;
        const [t1, t2, t3] = [t0 + channels, t0 + 2 * channels, t0 + 3 * channels];
        const x0 = padded[t0 + i] as number;
        const x1 = padded[t1 + i] as number;
        const x2 = padded[t2 + i] as number;
        const x3 = padded[t3 + i] as number;
        for (let j = i; j < channels; j++) {
          gram[row + j] =
            (gram[row + j] as number) +
            x0 * (padded[t0 + j] as number) +
            x1 * (padded[t1 + j] as number) +
            x2 * (padded[t2 + j] as number) +
            x3 * (padded[t3 + j] as number);
        }
      }
    }
  }
}

function statisticsOf({ tokens, sum, squares, maxAbs, gram }: Sums): ChannelStatistics {
  return {
    tokens,
    mean: sum.map((value) => value / tokens),
    meanSquare: squares.map((value) => value / tokens),
    maxAbs: maxAbs.slice(),
    ...(gram === undefined ? {} : { gram: mirrored(gram, sum.length) }),
  };
}

function mirrored(upper: Float64Array, size: number): Float64Array {
  const whole = upper.slice();
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) whole[j * size + i] = whole[i * size + j] as number;
  }
  return whole;
}
