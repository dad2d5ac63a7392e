import type { CacheSpec, ForwardPass, HostTensor, Lesson, Parameters } from "@vlmopt/models";
import { concatenated } from "../executors/concatenated.ts";
import type { DerivedPass, Executor, LossTerm } from "../executors/executor.ts";
import { preparedOnce } from "../prepared-once.ts";
import { releaseOnce } from "../release-once.ts";
import type { ModelWeights } from "../weights/model-weights.ts";
import type { PackedRow, PackedRows } from "./packed-rows.ts";
import { paddedTokens } from "./row-inputs.ts";

export interface RowLessonParts {
  readonly executor: Executor;
  readonly student: { readonly pass: ForwardPass; readonly weights: ModelWeights };
  readonly teacher: {
    readonly pass: ForwardPass;
    readonly weights: ModelWeights;
    readonly cache: CacheSpec;
  };
  readonly trained: ReadonlyMap<string, readonly number[]>;
  readonly initial: () => Promise<Parameters>;
  /** An aim is named after the teacher's output: `aim.logits`. */
  readonly loss: readonly LossTerm[];
  /** What a derivative needs of a token's forward pass: see `activationBytes`. */
  readonly tokenBytes: number;
  /** Numbers of a wanted token's outputs, for the memory that they take. */
  readonly outputSize: number;
  readonly rows: PackedRows;
  readonly wantedOf: (row: PackedRow) => readonly number[];
  readonly inputsOf: (
    rows: readonly PackedRow[],
    whose: "student" | "teacher",
  ) => Readonly<Record<string, HostTensor>>;
  readonly signal: AbortSignal | undefined;
}

/** Bytes of what a derivative needs of a forward pass, that rows may take together. */
const ACTIVATION_BYTES = 2 * 2 ** 30;
/** Numbers of outputs that are held at once. */
const OUTPUTS_AT_ONCE = 1 << 25;
/** Numbers of the teacher's outputs that are kept, so that it runs once for each row. */
const KEPT_OUTPUTS = 1 << 27;

/** A lesson over packed rows, whatever pass they go through. */
export async function rowLesson(parts: RowLessonParts): Promise<Lesson> {
  const { executor, student, teacher, trained, rows, wantedOf, inputsOf, signal } = parts;
  const prepared = preparedOnce(executor, teacher.weights);
  const derived = (await executor.derive?.(student.pass, student.weights, {
    trained,
    loss: parts.loss,
  })) as DerivedPass;
  const aims = new Map<PackedRow, Readonly<Record<string, Float32Array>>>();
  let kept = 0;

  async function teach(some: readonly PackedRow[]): Promise<void> {
    const tokens = paddedTokens(some);
    const cache = executor.createCache(teacher.cache, some.length, tokens);
    try {
      const outputs = await (await prepared(teacher.pass)).run(inputsOf(some, "teacher"), {
        cache,
        added: some.map(() => tokens),
      });
      const read: Record<string, Float32Array> = {};
      for (const { output, aim } of parts.loss)
        read[aim] = (await outputs[output]?.read()) ?? new Float32Array();
      for (const tensor of Object.values(outputs)) tensor.release?.();
      const count = some.reduce((sum, row) => sum + wantedOf(row).length, 0);
      let first = 0;
      for (const row of some) {
        const end = first + wantedOf(row).length;
        const [from, to] = [first, end];
        const own = Object.entries(read).map(([aim, all]) => {
          const size = all.length / count;
          return [aim, all.slice(from * size, to * size)] as const;
        });
        aims.set(row, Object.fromEntries(own));
        first = end;
      }
    } finally {
      cache.release?.();
    }
  }

  async function inputsWithAims(some: readonly PackedRow[]) {
    signal?.throwIfAborted();
    const missing = some.filter((row) => !aims.has(row));
    if (missing.length > 0) await teach(missing);
    const count = some.reduce((sum, row) => sum + wantedOf(row).length, 0);
    const inputs: Record<string, HostTensor> = { ...inputsOf(some, "student") };
    for (const { aim } of parts.loss) {
      const data = concatenated(some.map((row) => aims.get(row)?.[aim] ?? new Float32Array()));
      inputs[aim] = { shape: [1, count, data.length / count], data };
    }
    for (const row of missing) {
      const size = wantedOf(row).length * parts.outputSize;
      if (kept + size > KEPT_OUTPUTS) aims.delete(row);
      else kept += size;
    }
    return inputs;
  }

  /** Rows that fit into memory together. */
  function* together(some: readonly PackedRow[]) {
    let batch: PackedRow[] = [];
    const fits = (all: readonly PackedRow[]) =>
      all.length * paddedTokens(all) * parts.tokenBytes <= ACTIVATION_BYTES &&
      all.reduce((sum, row) => sum + wantedOf(row).length, 0) * parts.outputSize <= OUTPUTS_AT_ONCE;
    for (const row of some) {
      if (batch.length > 0 && !fits([...batch, row])) {
        yield batch;
        batch = [];
      }
      batch.push(row);
    }
    if (batch.length > 0) yield batch;
  }

  // Where nothing can be held out, what is learned tells how well.
  const tested = rows.heldOut.length > 0 ? rows.heldOut : rows.learned;
  const heldOutTokens = tested.reduce((sum, row) => sum + wantedOf(row).length, 0);
  return {
    trained,
    tokens: rows.learned.map((row) => wantedOf(row).length),
    heldOutTokens,
    initial: parts.initial,
    async gradient(parameters, numbers) {
      let loss = 0;
      const sums = new Map<string, Float32Array>();
      for (const some of together(numbers.map((n) => rows.learned[n] as PackedRow))) {
        const part = await derived.run(await inputsWithAims(some), parameters);
        loss += part.loss;
        for (const [name, numbersOf] of part.gradients) {
          const sum = sums.get(name);
          if (sum === undefined) sums.set(name, numbersOf);
          else for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (numbersOf[i] as number);
        }
      }
      return { loss, gradients: sums };
    },
    async heldOutLoss(parameters) {
      let loss = 0;
      for (const some of together(tested)) loss += await derived.loss(await inputsWithAims(some), parameters);
      return loss / heldOutTokens;
    },
    release: releaseOnce(async () => {
      await derived.release();
      await prepared.release();
    }),
  };
}
