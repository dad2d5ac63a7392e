import type { HostTensor, LayerLessons } from "@vlmopt/models";
import type { Executor } from "../executors/executor.ts";
import { logSumExp } from "../perplexity/surprisal.ts";
import type { ModelWeights } from "../weights/model-weights.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";
import { longestRow, type PackedRow, type PackedRows } from "./packed-rows.ts";
import { activationBytes, type Pupil, storedNumbers } from "./pupil.ts";
import { type FeaturesOf, paddedTokens, rowInputs } from "./row-inputs.ts";
import { rowLesson } from "./row-lesson.ts";
import { layerPass } from "./training-pass.ts";

export interface LayerLessonsParts {
  readonly executor: Executor;
  readonly pupil: Pupil;
  readonly master: Pupil;
  readonly rows: PackedRows;
  readonly features: FeaturesOf;
  readonly shapesOf: (layer: number) => ReadonlyMap<string, readonly number[]>;
  readonly signal: AbortSignal | undefined;
}

/** A residual stream before the next layer, `[tokens, hiddenSize]` of each row. */
type RowStream = Map<PackedRow, Float32Array>;

/** Only one layer of each model, and the rows' streams before it, are in memory. */
export async function layerLessons(parts: LayerLessonsParts): Promise<LayerLessons> {
  const { executor, pupil, master, rows, features, shapesOf, signal } = parts;
  const { hiddenSize, layers } = pupil.description.languageModel;
  const tested = rows.heldOut.length > 0 ? rows.heldOut : rows.learned;
  const everyToken = ({ ids }: PackedRow) => [...ids.keys()];
  let layer = 0;

  const inputsOf = (
    some: readonly PackedRow[],
    { forward }: Pupil,
    stream: RowStream,
    wantedOf: (row: PackedRow) => readonly number[] = everyToken,
  ): Record<string, HostTensor> => {
    const tokens = paddedTokens(some);
    const data = new Float32Array(some.length * tokens * hiddenSize);
    for (const [n, row] of some.entries())
      data.set(stream.get(row) ?? new Float32Array(), n * tokens * hiddenSize);
    return {
      ...rowInputs(forward, some, wantedOf, features),
      stream: { shape: [some.length, tokens, hiddenSize], data },
    };
  };
  const embedded = async ({ forward, weights }: Pupil, some: readonly PackedRow[]): Promise<RowStream> => {
    const prepared = await executor.prepare(forward.parts.embed, weights);
    const found: RowStream = new Map();
    try {
      for (const row of some) {
        signal?.throwIfAborted();
        const { stream } = await prepared.run(rowInputs(forward, [row], everyToken, features));
        found.set(row, Float32Array.from((await stream?.read()) ?? []));
        stream?.release?.();
      }
    } finally {
      await prepared.release();
    }
    return found;
  };
  const specOf = ({ description }: Pupil) => {
    const attention = description.languageModel.layers[layer]?.attention;
    return { layers: [{ kvHeads: attention?.numKvHeads ?? 1, headDim: attention?.headDim ?? 1 }] };
  };
  /** Takes a stream past the layer, in place. */
  const pass = async (stream: RowStream, whose: Pupil, weights: ModelWeights) => {
    const prepared = await executor.prepare(layerPass(whose.forward, layer, weights), weights);
    try {
      for (const row of stream.keys()) {
        signal?.throwIfAborted();
        const cache = executor.createCache(specOf(whose), 1, row.ids.length);
        const results = await prepared.run(inputsOf([row], whose, stream), {
          cache,
          added: [row.ids.length],
        });
        stream.set(row, Float32Array.from((await results.stream?.read()) ?? []));
        for (const tensor of Object.values(results)) tensor.release?.();
        cache.release?.();
      }
    } finally {
      await prepared.release();
    }
  };
  const logitsOf = async (stream: RowStream, { forward, weights }: Pupil) => {
    const prepared = await executor.prepare(forward.parts.head, weights);
    const found = new Map<PackedRow, Float32Array>();
    try {
      for (const row of tested) {
        const { logits } = await prepared.run(
          inputsOf([row], { forward } as Pupil, stream, ({ wanted }) => wanted),
        );
        found.set(row, Float32Array.from((await logits?.read()) ?? []));
        logits?.release?.();
      }
    } finally {
      await prepared.release();
    }
    return found;
  };

  const own = await embedded(pupil, [...rows.learned, ...rows.heldOut]);
  const before: RowStream = new Map([...own].filter(([row]) => tested.includes(row)));
  const dense = await embedded(master, tested);
  return {
    layers: layers.length,
    async next() {
      const trained = shapesOf(layer);
      const passOf = ({ forward, weights }: Pupil) => layerPass(forward, layer, weights);
      return rowLesson({
        executor,
        student: { pass: passOf(pupil), weights: pupil.weights },
        teacher: { pass: passOf(master), weights: master.weights, cache: specOf(master) },
        trained,
        initial: () => storedNumbers(pupil.weights, trained),
        loss: [{ output: "states", aim: "aim.states", kind: "squares" }],
        tokenBytes: activationBytes(pupil, [layer], longestRow(rows)),
        outputSize: hiddenSize,
        rows,
        wantedOf: everyToken,
        inputsOf: (some, whose) => inputsOf(some, whose === "teacher" ? master : pupil, own),
        signal,
      });
    },
    async advance(parameters) {
      const replacements = new Map(
        [...shapesOf(layer)].map(([name, shape]) => [
          name,
          { shape, data: parameters.get(name) ?? new Float32Array() },
        ]),
      );
      await pass(own, pupil, replacedWeights(pupil.weights, replacements));
      await pass(before, pupil, pupil.weights);
      await pass(dense, master, master.weights);
      layer++;
    },
    async divergence() {
      const aims = await logitsOf(dense, master);
      const distance = async (stream: RowStream) => {
        const found = await logitsOf(stream, pupil);
        let [sum, tokens] = [0, 0];
        for (const [row, logits] of found) {
          const { length } = row.wanted;
          sum += divergence(aims.get(row) as Float32Array, logits, length);
          tokens += length;
        }
        return sum / tokens;
      };
      return { before: await distance(before), after: await distance(own) };
    },
    async release() {
      for (const stream of [own, before, dense]) stream.clear();
    },
  };
}

/** Σ over rows of KL(softmax(aim) ‖ softmax(own)), in nats. */
function divergence(aim: Float32Array, own: Float32Array, rows: number): number {
  const size = aim.length / rows;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const part = [aim, own].map((logits) => logits.subarray(row * size, (row + 1) * size));
    const [a, b] = part as [Float32Array, Float32Array];
    const [norm, ownNorm] = [logSumExp(a), logSumExp(b)];
    for (let i = 0; i < size; i++) {
      const likelihood = (a[i] as number) - norm;
      sum += Math.exp(likelihood) * (likelihood - ((b[i] as number) - ownNorm));
    }
  }
  return sum;
}
