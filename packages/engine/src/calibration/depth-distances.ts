import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { walkRules } from "../option-rules.ts";
import { loadFrom, type Platform } from "../platform.ts";
import type { CalibrationData } from "./calibration-data.ts";
import { releaseStream, type Stream } from "./decoder-streams.ts";
import { blocksOf, openStreams, type StreamOptions } from "./open-streams.ts";

/** Tokens that tell enough of distances. */
const ENOUGH_TOKENS = 8192;

/**
 * How little runs of layers change the residual stream (arXiv:2403.17887). The first items are read that have some 8,192 tokens together.
 * @param span layers of a run
 * @returns of each layer that begins a run, in order: the mean over tokens of 1 − cosine between the stream before it and the stream behind
 *   the run
 * @throws {RangeError} where the model has fewer layers
 */
export async function depthDistancesFrom(
  platform: Platform,
  location: string | Checkpoint,
  data: CalibrationData,
  span: number,
  options: StreamOptions = {},
): Promise<Float64Array> {
  checkOptions<object>("depthDistances", options, walkRules);
  const { distances, release } = await loadFrom(platform, location, async (checkpoint) => ({
    distances: await measure(platform, checkpoint, data, span, options),
    release: async () => {},
  }));
  await release();
  return distances;
}

async function measure(
  platform: Platform,
  checkpoint: Checkpoint,
  data: CalibrationData,
  span: number,
  options: StreamOptions,
): Promise<Float64Array> {
  const opened = await openStreams(platform, checkpoint, data, { enoughTokens: ENOUGH_TOKENS, ...options });
  const { description, streams } = opened;
  const { layers, hiddenSize } = description.languageModel;
  if (!(Number.isInteger(span) && span > 0 && span <= layers.length)) {
    throw new RangeError(`runs of ${span} layers are asked for, and the model has ${layers.length}`);
  }
  let stream = await streams.embed();
  /** Streams before the last layers, the latest last. */
  const before = [await numbersOf(stream)];
  const distances: number[] = [];
  for (const { index } of layers) {
    for (const block of blocksOf(index))
      stream = await streams.pass(stream, block, { place: index, consume: true });
    before.push(await numbersOf(stream));
    if (before.length <= span) continue;
    distances.push(meanDistance(before[0] as Float32Array[], before.at(-1) as Float32Array[], hiddenSize));
    before.shift();
  }
  releaseStream(stream);
  streams.release();
  return Float64Array.from(distances);
}

async function numbersOf(stream: Stream): Promise<Float32Array[]> {
  const parts: Float32Array[] = [];
  for (const tensor of stream.values()) parts.push(await tensor.read());
  return parts;
}

function meanDistance(a: readonly Float32Array[], b: readonly Float32Array[], hiddenSize: number): number {
  let [sum, tokens] = [0, 0];
  for (const [n, x] of a.entries()) {
    const y = b[n] as Float32Array;
    for (let row = 0; row < x.length; row += hiddenSize) {
      let [product, xx, yy] = [0, 0, 0];
      for (let i = row; i < row + hiddenSize; i++) {
        const [one, other] = [x[i] as number, y[i] as number];
        product += one * other;
        xx += one * one;
        yy += other * other;
      }
      sum += 1 - product / Math.sqrt(xx * yy);
      tokens++;
    }
  }
  return sum / tokens;
}
