import type { HostTensor, Lesson, Parameters } from "@vlmopt/models";
import type { Executor } from "../executors/executor.ts";
import { preparedOnce } from "../prepared-once.ts";
import { readFloats } from "../weights/model-weights.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";
import type { PackedRow, PackedRows } from "./packed-rows.ts";
import type { Pupil } from "./pupil.ts";
import { type FeaturesOf, paddedTokens, rowInputs } from "./row-inputs.ts";
import { rowLesson } from "./row-lesson.ts";
import { layerPass } from "./training-pass.ts";

/** Lessons of a student's layers, from the first to the last. */
export interface LayerLessons {
  readonly layers: number;
  /** The lesson of the next layer, on what the layers before it give. */
  next(): Promise<Lesson>;
  /** Goes past that layer. */
  advance(parameters: Parameters): Promise<void>;
  release(): Promise<void>;
}

export interface LayerLessonsParts {
  readonly executor: Executor;
  readonly pupil: Pupil;
  readonly master: Pupil;
  readonly rows: PackedRows;
  readonly features: FeaturesOf;
  readonly shapesOf: (layer: number) => ReadonlyMap<string, readonly number[]>;
  readonly signal: AbortSignal | undefined;
}

/** Only one layer of each model, and the rows' stream before it, are in memory. */
export async function layerLessons(parts: LayerLessonsParts): Promise<LayerLessons> {
  const { executor, pupil, master, rows, features, shapesOf, signal } = parts;
  const { hiddenSize, layers } = pupil.description.languageModel;
  const all = [...rows.learned, ...rows.heldOut];
  const streams = new Map<PackedRow, Float32Array>();
  const wantedOf = ({ ids }: PackedRow) => [...ids.keys()];
  let layer = 0;

  const inputsOf = (some: readonly PackedRow[], { forward }: Pupil): Record<string, HostTensor> => {
    const tokens = paddedTokens(some);
    const data = new Float32Array(some.length * tokens * hiddenSize);
    for (const [n, row] of some.entries())
      data.set(streams.get(row) ?? new Float32Array(), n * tokens * hiddenSize);
    return {
      ...rowInputs(forward, some, wantedOf, features),
      stream: { shape: [some.length, tokens, hiddenSize], data },
    };
  };
  const embedding = preparedOnce(executor, pupil.weights);
  for (const row of all) {
    signal?.throwIfAborted();
    const { embed } = pupil.forward.parts;
    const { stream } = await (await embedding(embed)).run(
      rowInputs(pupil.forward, [row], wantedOf, features),
    );
    streams.set(row, Float32Array.from((await stream?.read()) ?? []));
    stream?.release?.();
  }
  await embedding.release();

  const specOf = ({ description }: Pupil) => {
    const { attention } = description.languageModel.layers[layer] ?? layers[0] ?? { attention: undefined };
    return {
      layers: [{ kvHeads: attention?.numKvHeads ?? 1, headDim: attention?.headDim ?? 1 }],
    };
  };
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
        async initial() {
          const found = new Map<string, Float32Array>();
          for (const name of trained.keys())
            found.set(name, Float32Array.from(await readFloats(pupil.weights, name)));
          return found;
        },
        loss: [{ output: "states", aim: "aim.states", kind: "squares" }],
        outputSize: hiddenSize,
        rows,
        wantedOf,
        inputsOf: (some, whose) => inputsOf(some, whose === "teacher" ? master : pupil),
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
      const weights = replacedWeights(pupil.weights, replacements);
      const prepared = await executor.prepare(layerPass(pupil.forward, layer, weights), weights);
      try {
        for (const row of all) {
          signal?.throwIfAborted();
          const cache = executor.createCache(specOf(pupil), 1, row.ids.length);
          const { stream, states } = await prepared.run(inputsOf([row], pupil), {
            cache,
            added: [row.ids.length],
          });
          streams.set(row, Float32Array.from((await stream?.read()) ?? []));
          stream?.release?.();
          states?.release?.();
          cache.release?.();
        }
      } finally {
        await prepared.release();
      }
      layer++;
    },
    async release() {
      streams.clear();
    },
  };
}
