// A decoder's residual stream while it goes from block to block: all sequences pass one block before any passes the next, so that only that
// block's weights are held.
import type {
  Block,
  BlockForward,
  BlockOptions,
  FinalNormSums,
  ForwardPass,
  ModelForward,
  Replacements,
} from "@vlmopt/models";
import type { DeviceTensor, Executor, PassInput, PreparedPass } from "../executors/executor.ts";
import { featureNames, stackedFeatures } from "../image-features.ts";
import { surprisal } from "../perplexity/surprisal.ts";
import type { ModelWeights } from "../weights/model-weights.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";
import { type Batch, batchesOf, type Sequence } from "./calibration-data.ts";
import type { PassStatistics, ProbeOptions } from "./input-statistics.ts";

/** By the numbers of batches: `[sequences, tokens, hiddenSize]`. */
export type Stream = ReadonlyMap<number, DeviceTensor>;

export interface DecoderStreams {
  readonly batches: readonly Batch[];
  /** The stream before the first layer; image features are given back that nothing needs behind it. */
  embed(): Promise<Stream>;
  /** The stream behind a block. */
  pass(stream: Stream, block: Block, options: BlockRun & { readonly consume: boolean }): Promise<Stream>;
  /** What goes into a block's linears. */
  observe(
    stream: Stream,
    block: Block,
    options: BlockRun &
      ProbeOptions & { readonly aim: Stream | undefined; readonly share: number | undefined },
  ): Promise<PassStatistics>;
  /**
   * Σ −ln p of the tokens that are predicted, from the stream behind the last layer.
   * @param replacements in the place of stored tensors behind it
   */
  likelihood(
    stream: Stream,
    replacements?: Replacements,
  ): Promise<{ readonly nats: number; readonly tokens: number }>;
  /** What the final norm gives of two streams. */
  finalNorm(compressed: Stream, dense: Stream): Promise<FinalNormSums | undefined>;
  release(): void;
}

export interface BlockRun {
  /** The place of the block's layer among those that the model has. */
  readonly place: number;
  readonly replacements?: Replacements | undefined;
}

/** Tokens that are run at once. */
const BATCH_TOKENS = 4096;
/** Tokens whose logits are held at once. */
const LOGIT_TOKENS = 512;

export function decoderStreams(
  executor: Executor,
  weights: ModelWeights,
  forward: ModelForward,
  sequences: readonly Sequence[],
  signal: AbortSignal | undefined,
): DecoderStreams {
  const batches = batchesOf(sequences, BATCH_TOKENS);
  const batchAt = (n: number) => batches[n] as Batch;
  const hiddenSize = forward.parts.embed.inputs.features?.shape.at(-1) ?? 0;
  const features = new Map<string, PassInput>();
  const hostInputs = new Map<string, HostInputs>();

  async function inputsOf(n: number, pass: ForwardPass, capacity: number) {
    const key = `${n} ${capacity}`;
    const host = hostInputs.get(key) ?? hostInputsOf(forward, batchAt(n), capacity);
    hostInputs.set(key, host);
    const inputs: Record<string, PassInput> = {};
    for (const name of Object.keys(pass.inputs)) {
      if (featureNames(forward).includes(name)) inputs[name] = await featuresOf(n, name);
      else if (host[name] !== undefined) inputs[name] = host[name];
    }
    return inputs;
  }

  async function featuresOf(n: number, name: string): Promise<PassInput> {
    const parts = batchAt(n).sequences.flatMap(({ images }) => images);
    const key = `${n} ${name}`;
    const found = features.get(key) ?? (await stackedFeatures(executor, hiddenSize, parts, name));
    features.set(key, found);
    if (parts.length > 1) for (const { tensors } of parts) tensors[name]?.release?.();
    return found;
  }

  function releaseFeatures(name: string): void {
    for (const n of batches.keys()) {
      const found = features.get(`${n} ${name}`);
      if (found !== undefined && "release" in found) found.release?.();
      features.delete(`${n} ${name}`);
    }
  }

  async function runBlock(
    prepared: PreparedPass,
    { pass, cache: spec }: Pick<BlockForward, "pass" | "cache">,
    n: number,
    given: Readonly<Record<string, PassInput>>,
  ) {
    signal?.throwIfAborted();
    const { sequences: own, tokens } = batchAt(n);
    const cache = spec && executor.createCache(spec, own.length, tokens);
    try {
      const inputs = await inputsOf(n, pass, cache?.capacity ?? tokens);
      return await prepared.run({ ...inputs, ...given }, cache && { cache, added: own.map(() => tokens) });
    } finally {
      cache?.release?.();
    }
  }

  async function prepareBlock(
    block: Block,
    { place, replacements }: BlockRun,
    options: BlockOptions,
    probes?: ProbeOptions,
  ) {
    // Made anew for each block, so that an executor gives the block's weights back with it.
    const own = replacedWeights(weights, replacements);
    const made = forward.parts.block(block, { ...options, specs: own.specs, place });
    return { ...made, prepared: await executor.prepare(made.pass, own, probes && { probes }) };
  }

  return {
    batches,
    async embed() {
      const pass = forward.parts.embed;
      const prepared = await executor.prepare(pass, replacedWeights(weights));
      const found = new Map<number, DeviceTensor>();
      try {
        for (const n of batches.keys()) {
          const { stream } = await runBlock(prepared, { pass, cache: undefined }, n, {});
          found.set(n, stream as DeviceTensor);
        }
      } finally {
        await prepared.release();
      }
      releaseFeatures("features");
      return found;
    },
    async pass(stream, block, { consume, ...run }) {
      const { prepared, ...made } = await prepareBlock(block, run, {});
      const found = new Map<number, DeviceTensor>();
      try {
        for (const [n, tensor] of stream) {
          const results = await runBlock(prepared, made, n, { stream: tensor });
          found.set(n, results.stream as DeviceTensor);
          if (consume) tensor.release?.();
        }
      } finally {
        await prepared.release();
      }
      return found;
    },
    async observe(stream, block, { gram = false, aim, share, ...run }) {
      const { prepared, ...made } = await prepareBlock(
        block,
        run,
        { inputsOnly: true, aims: share },
        { gram },
      );
      try {
        for (const [n, tensor] of stream) {
          const aimed = aim?.get(n);
          await runBlock(prepared, made, n, {
            stream: tensor,
            ...(aimed === undefined ? {} : { aim: aimed }),
          });
        }
        if (prepared.statistics === undefined)
          throw new TypeError(`the ${executor.name} executor keeps no statistics: calibrate with another`);
        return await prepared.statistics();
      } finally {
        await prepared.release();
      }
    },
    async likelihood(stream, replacements) {
      const prepared = await executor.prepare(forward.parts.head, replacedWeights(weights, replacements));
      let [nats, tokens] = [0, 0];
      try {
        for (const [n, tensor] of stream) {
          const predicted = predictionsOf(batchAt(n));
          for (let first = 0; first < predicted.length; first += LOGIT_TOKENS) {
            signal?.throwIfAborted();
            const some = predicted.slice(first, first + LOGIT_TOKENS);
            const wanted = Int32Array.from(some, ({ row }) => row);
            const { logits } = await prepared.run({
              stream: tensor,
              wanted: { shape: [wanted.length], data: wanted },
            });
            const scores = (await logits?.read()) ?? new Float32Array();
            logits?.release?.();
            const vocabSize = scores.length / some.length;
            for (const [i, { next }] of some.entries())
              nats += surprisal(scores.subarray(i * vocabSize, (i + 1) * vocabSize), next);
            tokens += some.length;
          }
        }
      } finally {
        await prepared.release();
      }
      return { nats, tokens };
    },
    async finalNorm(compressed, dense) {
      const { finalNorm } = forward.parts;
      if (finalNorm === undefined) return undefined;
      const { pass, weight, offset } = finalNorm;
      const prepared = await executor.prepare(pass, replacedWeights(weights));
      const channels = pass.inputs.stream?.shape.at(-1) ?? 0;
      const [cross, squares] = [new Float64Array(channels), new Float64Array(channels)];
      const normed = async (stream: DeviceTensor, wanted: Int32Array<ArrayBuffer>) => {
        const results = await prepared.run({ stream, wanted: { shape: [wanted.length], data: wanted } });
        const numbers = (await results.normed?.read()) ?? new Float32Array();
        results.normed?.release?.();
        return numbers;
      };
      try {
        for (const [n, tensor] of compressed) {
          signal?.throwIfAborted();
          const rows = Int32Array.from(predictionsOf(batchAt(n)), ({ row }) => row);
          const other = dense.get(n);
          if (rows.length === 0 || other === undefined) continue;
          const [found, wanted] = [await normed(tensor, rows), await normed(other, rows)];
          for (let i = 0; i < found.length; i++) {
            const channel = i % channels;
            const value = found[i] as number;
            cross[channel] = (cross[channel] as number) + value * (wanted[i] as number);
            squares[channel] = (squares[channel] as number) + value * value;
          }
        }
      } finally {
        await prepared.release();
      }
      return { weight, offset, cross, squares };
    },
    release() {
      for (const name of featureNames(forward)) releaseFeatures(name);
      hostInputs.clear();
    },
  };
}

type HostInputs = ReturnType<ModelForward["decoderInputs"]>;

function hostInputsOf(forward: ModelForward, { sequences, tokens }: Batch, capacity: number): HostInputs {
  const rows = Int32Array.from(
    sequences.flatMap(({ imageRows }, n) => imageRows.map((row) => n * tokens + row)),
  );
  return {
    ...forward.decoderInputs({
      sequences: sequences.map(({ ids, positions, prompt }) => ({ ids, positions, past: 0, prompt })),
      wanted: [],
      capacity,
    }),
    imageRows: { shape: [rows.length], data: rows },
  };
}

/** Rows, counted through a batch, that predict tokens, and the tokens that they should. */
function predictionsOf({ sequences, tokens }: Batch): { readonly row: number; readonly next: number }[] {
  return sequences.flatMap(({ ids, predicted }, n) =>
    predicted.map((token) => ({ row: n * tokens + token - 1, next: ids[token] as number })),
  );
}

/** Gives a stream's memory back. */
export function releaseStream(stream: Stream): void {
  for (const tensor of stream.values()) tensor.release?.();
}
