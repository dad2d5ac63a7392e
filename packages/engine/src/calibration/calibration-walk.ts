import type { Attention, Block, CalibrationWalk, Layer, Replacements, TensorSpecs } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { walkRules } from "../option-rules.ts";
import { loadFrom, type Platform } from "../platform.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";
import type { CalibrationData } from "./calibration-data.ts";
import { releaseStream, type Stream } from "./decoder-streams.ts";
import { assertFinite } from "./input-statistics.ts";
import { blocksOf, openStreams, type StreamOptions } from "./open-streams.ts";

export interface CalibrationWalkOptions extends StreamOptions {
  /** Layers that the compressed model does not have. */
  readonly dropped?: readonly number[];
}

/**
 * Opens a model and data for reading block by block, while the model is compressed.
 * @throws {RangeError} where there is no data, or a layer that is to be dropped is not there
 */
export async function calibrationWalkFrom(
  platform: Platform,
  location: string | Checkpoint,
  data: CalibrationData,
  options: CalibrationWalkOptions = {},
): Promise<CalibrationWalk> {
  checkOptions("openCalibrationWalk", options, walkRules);
  return loadFrom(platform, location, (checkpoint) => walkOf(platform, checkpoint, data, options));
}

async function walkOf(
  platform: Platform,
  checkpoint: Checkpoint,
  data: CalibrationData,
  { dropped = [], ...options }: CalibrationWalkOptions,
): Promise<CalibrationWalk> {
  const { description, forward, weights, sequences, streams } = await openStreams(
    platform,
    checkpoint,
    data,
    options,
  );
  const { layers } = description.languageModel;
  for (const layer of dropped) {
    if (layers[layer] === undefined)
      throw new RangeError(`layer ${layer} is to be dropped, and the model's ${layers.length} begin with 0`);
  }
  const kept = layers.filter(({ index }) => !dropped.includes(index));
  if (kept.length === 0) throw new RangeError(`all ${layers.length} layers are to be dropped: keep some`);
  const blocks = kept.flatMap(({ index }) => blocksOf(index));
  const fitted = sequences.filter(({ heldOut }) => !heldOut);
  const isHeldOut = sequences.some(({ heldOut }) => heldOut);
  const part = (stream: Stream, heldOut: boolean): Stream =>
    isHeldOut ? new Map([...stream].filter(([n]) => streams.batches[n]?.heldOut === heldOut)) : stream;

  let next = 0;
  let compressed = await streams.embed();
  let dense = compressed;
  /** Both are one until something is replaced or dropped. */
  let isShared = true;
  /** Whether the dense one is behind the next block already. */
  let isAhead = false;

  const placeOf = (layer: number) => kept.findIndex(({ index }) => index === layer);
  const nextBlock = (): Block => {
    const block = blocks[next];
    if (block === undefined)
      throw new RangeError(`the walk is behind the last of its ${blocks.length} blocks`);
    return block;
  };
  /** Layers that are dropped right behind a layer, or before all others. */
  const droppedBehind = (layer: number): number[] => {
    const following = layers.slice(layer + 1).map(({ index }) => index);
    const end = following.findIndex((index) => !dropped.includes(index));
    return end === -1 ? following : following.slice(0, end);
  };
  const passDense = async (through: readonly Block[]) => {
    for (const block of through) {
      dense = await streams.pass(dense, block, { place: block.layer, consume: !isShared });
      isShared = false;
    }
  };
  const behindNext = ({ layer, kind }: Block) =>
    kind === "mlp" ? droppedBehind(layer).flatMap(blocksOf) : [];
  const advanceDense = async () => {
    if (isAhead) return;
    const block = nextBlock();
    await passDense([block, ...behindNext(block)]);
    isAhead = true;
  };
  const checked = (block: Block, replacements: Replacements | undefined) => {
    const used = weightsOf(recordPass(forward.parts.block(block).pass));
    for (const name of replacements?.keys() ?? []) {
      if (!used.has(name))
        throw new RangeError(`${name} is no tensor of the ${block.kind} of layer ${block.layer}`);
    }
    const { specs } = replacedWeights(weights, replacements);
    assertSameSizes(layers[block.layer] as Layer<Attention>, specs);
    return { place: placeOf(block.layer), replacements };
  };
  const checkedGain = (replacements: Replacements | undefined) => {
    for (const [name, { data }] of replacements ?? []) {
      if (name !== forward.parts.finalNorm?.weight)
        throw new RangeError(`${name} is not the final norm's gain`);
      const [size] = weights.specs.get(name)?.shape ?? [];
      if (data.length !== size)
        throw new RangeError(`${name} is replaced by ${data.length} numbers, and has ${size}`);
    }
    return replacements;
  };
  await passDense(droppedBehind(-1).flatMap(blocksOf));
  const errorWith = async (replacements: Replacements | undefined, measure: typeof relativeError) => {
    const block = nextBlock();
    const run = checked(block, replacements);
    await advanceDense();
    const found = await streams.pass(part(compressed, true), block, { ...run, consume: false });
    const error = await measure(found, part(dense, true));
    releaseStream(found);
    return error;
  };

  return {
    blocks,
    sequences: fitted.length,
    tokens: fitted.reduce((sum, { ids }) => sum + ids.length, 0),
    async observe({ gram = [], target: share }, replacements) {
      const block = nextBlock();
      const run = checked(block, replacements);
      const { addsAsItIs, lastLinear, norm } = forward.parts.block(block);
      const aims = share !== undefined && addsAsItIs;
      const aimsAtDense = aims && share > 0;
      if (aimsAtDense) await advanceDense();
      const { inputs, targets } = await streams.observe(part(compressed, false), block, {
        ...run,
        gram,
        aim: aimsAtDense ? part(dense, false) : undefined,
        share: aims ? share : undefined,
      });
      assertFinite(inputs, `layer ${block.layer}`);
      const missing = gram.find((weight) => !inputs.has(weight));
      if (missing !== undefined)
        throw new RangeError(`${missing} is no linear of the ${block.kind} of layer ${block.layer}`);
      return { inputs, target: targets.get(lastLinear.weight), norm };
    },
    async loss(replacements) {
      let stream = part(compressed, true);
      const before = stream;
      for (const [i, block] of blocks.slice(next).entries()) {
        const run = checked(block, i === 0 ? replacements : undefined);
        stream = await streams.pass(stream, block, { ...run, consume: i > 0 });
      }
      const { nats, tokens } = await streams.likelihood(
        stream,
        next === blocks.length ? checkedGain(replacements) : undefined,
      );
      if (stream !== before) releaseStream(stream);
      if (tokens === 0) throw new RangeError("no token of the data that is held out is predicted by another");
      if (!Number.isFinite(nats)) throw new RangeError("the loss over the data held out is not finite");
      return nats / tokens;
    },
    async finalNorm() {
      if (next < blocks.length)
        throw new RangeError(
          `the walk is at block ${next} of ${blocks.length}: the final norm is behind them`,
        );
      return streams.finalNorm(part(compressed, false), part(dense, false));
    },
    error: (replacements) => errorWith(replacements, relativeError),
    tokenError: (replacements) => errorWith(replacements, tokenError),
    async advance(replacements) {
      const block = nextBlock();
      const run = checked(block, replacements);
      const isSame = isShared && (replacements?.size ?? 0) === 0 && behindNext(block).length === 0;
      if (isSame) {
        compressed = await streams.pass(compressed, block, { ...run, consume: true });
        dense = compressed;
      } else {
        await advanceDense();
        compressed = await streams.pass(compressed, block, { ...run, consume: true });
      }
      isAhead = false;
      next++;
      const error = isSame ? 0 : await relativeError(part(compressed, true), part(dense, true));
      if (!Number.isFinite(error)) {
        throw new RangeError(
          `NaN or infinite numbers come out of the ${block.kind} of layer ${block.layer}: look for broken weights in it`,
        );
      }
      return { error };
    },
    async release() {
      releaseStream(compressed);
      if (dense !== compressed) releaseStream(dense);
      streams.release();
    },
  };
}

/** ‖found − wanted‖² / ‖wanted‖². */
async function relativeError(found: Stream, wanted: Stream): Promise<number> {
  let [error, whole] = [0, 0];
  for (const [n, tensor] of found) {
    const [x, y] = await Promise.all([tensor.read(), wanted.get(n)?.read() ?? new Float32Array()]);
    for (let i = 0; i < y.length; i++) {
      const value = y[i] as number;
      error += ((x[i] as number) - value) ** 2;
      whole += value * value;
    }
  }
  return error / whole;
}

/** ‖found − wanted‖² / ‖wanted‖² of each token, in the mean. */
async function tokenError(found: Stream, wanted: Stream): Promise<number> {
  let [sum, tokens] = [0, 0];
  for (const [n, tensor] of found) {
    const [x, y] = await Promise.all([tensor.read(), wanted.get(n)?.read() ?? new Float32Array()]);
    const width = tensor.shape.at(-1) ?? 1;
    for (let from = 0; from < y.length; from += width) {
      let [error, whole] = [0, 0];
      for (let i = from; i < from + width; i++) {
        const value = y[i] as number;
        error += ((x[i] as number) - value) ** 2;
        whole += value * value;
      }
      if (whole > 0) sum += error / whole;
      tokens++;
    }
  }
  return sum / tokens;
}

/** @throws {RangeError} where a tensor's rows are not as many as what they meet */
function assertSameSizes({ attention, mlp }: Layer<Attention>, specs: TensorSpecs): void {
  const size = (name: string, axis: 0 | 1) => specs.get(name)?.shape[axis] ?? 0;
  const rows = (name: string) => ({ name, count: size(name, 0), what: "rows" });
  const columns = (name: string) => ({ name, count: size(name, 1), what: "columns" });
  const { qProj, kProj, vProj, oProj } = attention;
  const linears = [qProj, kProj, vProj, oProj, ...linearsOf(mlp)];
  const last = mlp.kind === "gated" ? mlp.downProj : mlp.fc2;
  const pairs = [
    [rows(kProj.weight), rows(vProj.weight)],
    [rows(qProj.weight), columns(oProj.weight)],
    ...linearsOf(mlp)
      .filter((linear) => linear !== last)
      .map(({ weight }) => [rows(weight), columns(last.weight)]),
    ...linears.flatMap(({ weight, bias }) => (bias === undefined ? [] : [[rows(weight), rows(bias)]])),
  ] as const;
  for (const [one, other] of pairs) {
    if (one === undefined || other === undefined || one.count === other.count) continue;
    throw new RangeError(
      `${one.name} has ${one.count} ${one.what}, but ${other.name} ${other.count} ${other.what}`,
    );
  }
}

function linearsOf(mlp: Layer["mlp"]) {
  return mlp.kind === "gated" ? [mlp.gateProj, mlp.upProj, mlp.downProj] : [mlp.fc1, mlp.fc2];
}
