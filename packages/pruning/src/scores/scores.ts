import { builtModule, type Checkpoint, tensorNamed } from "@vlmopt/tensor-io";
import {
  neuronLinears,
  type PrunableAttention,
  type PrunableLayer,
  type PrunableMlp,
  PruningError,
} from "../prunable.ts";
import { gatherStatistics, type PassOptions } from "../statistics-pass.ts";
import { seededRandom } from "./random.ts";
import { type Statistic, statisticSizes } from "./segment-statistics.ts";
import type { StatisticsOptions } from "./statistics-stage.ts";

/**
 * How neuron i of a gated MLP is scored from row i of gate G and up U; of a plain one from row i of fc1 alone.
 * - `maw`: (max G + |min G|) + (max U + |min U|), the peak-to-peak magnitude
 * - `vow`: var G + var U, unbiased
 * - `pon`: ‖G‖₁ · ‖U‖₁
 * - `l2`: ‖G‖₂ + ‖U‖₂
 * - `random`: nothing of the weights, for a control
 */
export type NeuronMethod = "maw" | "vow" | "pon" | "l2" | "random";

export interface ScoreOptions extends PassOptions {
  /** Of `random`. */
  readonly seed?: number;
}

export interface ScoreRequest {
  readonly neurons?: NeuronMethod;
  readonly heads?: "norm" | "random";
  /** Score of a layer as a whole: ‖W_o‖_F² + ‖W_down‖_F², what it can write into the residual stream. */
  readonly layers?: boolean;
}

/** Higher is worth more. One array a layer, in the order of the layers; what was not asked for is undefined. */
export interface Scores {
  /** By neuron. */
  readonly neurons: readonly Float64Array[] | undefined;
  /** By query head: ‖W_o[:, head]‖_F. */
  readonly heads: readonly Float64Array[] | undefined;
  readonly layers: Float64Array | undefined;
}

/** Scores the neurons of every layer; see `NeuronMethod`. */
export async function scoreNeurons(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  method: NeuronMethod = "maw",
  options: ScoreOptions = {},
): Promise<readonly Float64Array[]> {
  return (await scoreLayers(checkpoint, layers, { neurons: method }, options)).neurons ?? [];
}

/** Scores the query heads of every layer by the Frobenius norm of their columns of o_proj. */
export async function scoreHeads(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  options: ScoreOptions = {},
): Promise<readonly Float64Array[]> {
  return (await scoreLayers(checkpoint, layers, { heads: "norm" }, options)).heads ?? [];
}

/**
 * Scores whatever is asked for in one pass over the tensors that it needs, block by block in worker threads; 16-bit weights are compared
 * as they are stored.
 * @throws {PruningError} where a weight is not finite, naming its tensor
 */
export async function scoreLayers(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  request: ScoreRequest,
  options: ScoreOptions = {},
): Promise<Scores> {
  const statistics = await finiteStatistics(checkpoint, statisticsFor(layers, request), options);
  const random = seededRandom(options.seed ?? 0);
  const { neurons: method, heads } = request;
  return {
    neurons:
      method &&
      layers.map(({ mlp }) =>
        method === "random"
          ? randomScores(neuronCount(checkpoint, needed(mlp, "MLP")), random)
          : neuronScores(checkpoint, needed(mlp, "MLP"), method, statistics),
      ),
    heads:
      heads &&
      layers.map(({ attention }) =>
        heads === "random"
          ? randomScores(needed(attention, "attention").numHeads, random)
          : headScores(needed(attention, "attention"), statistics),
      ),
    layers: request.layers ? layerScores(layers, statistics) : undefined,
  };
}

function statisticsFor(
  layers: readonly PrunableLayer[],
  { neurons, heads, layers: depth }: ScoreRequest,
): ReadonlyMap<string, StatisticsOptions> {
  const wanted = new Map<string, StatisticsOptions>();
  for (const { mlp, attention } of layers) {
    if (neurons !== undefined && neurons !== "random") {
      const statistic: Statistic = neurons === "maw" ? "extremes" : "moments";
      for (const { weight } of neuronLinears(needed(mlp, "MLP")).rows) {
        wanted.set(weight, { statistic, segmentsPerRow: 1, addRows: false });
      }
    }
    if (depth || heads === "norm") {
      const { oProj, numHeads } = needed(attention, "attention");
      wanted.set(oProj.weight, { statistic: "moments", segmentsPerRow: numHeads, addRows: true });
    }
    if (depth) {
      for (const { weight } of neuronLinears(needed(mlp, "MLP")).columns) {
        wanted.set(weight, { statistic: "moments", segmentsPerRow: 1, addRows: true });
      }
    }
  }
  return wanted;
}

/** @throws {PruningError} where a figure is not finite, because a weight is not */
async function finiteStatistics(
  checkpoint: Checkpoint,
  wanted: ReadonlyMap<string, StatisticsOptions>,
  options: ScoreOptions,
): Promise<StatisticsOf> {
  const module = builtModule("statistics-stage", import.meta.url);
  const gatherings = [...wanted].map(([name, stageOptions]) => {
    const rows = stageOptions.addRows ? 1 : (tensorNamed(checkpoint, name).shape[0] ?? 1);
    const shape = [rows * stageOptions.segmentsPerRow, statisticSizes[stageOptions.statistic]];
    return [name, { stage: { module, options: stageOptions }, shape }] as const;
  });
  const { seed: _, ...passOptions } = options;
  const figures = await gatherStatistics(checkpoint, new Map(gatherings), passOptions);
  for (const [name, values] of figures) {
    if (values.every(Number.isFinite)) continue;
    throw new PruningError(`${name} holds NaN or infinity, so its neurons or heads cannot be scored`);
  }
  return (name) => figures.get(name) as Float64Array;
}

/** Figures of a tensor, by its name. */
type StatisticsOf = (name: string) => Float64Array;

function neuronScores(
  checkpoint: Checkpoint,
  mlp: PrunableMlp,
  method: Exclude<NeuronMethod, "random">,
  statistics: StatisticsOf,
): Float64Array {
  const { rows } = neuronLinears(mlp);
  const scores = new Float64Array(neuronCount(checkpoint, mlp)).fill(method === "pon" ? 1 : 0);
  for (const { weight } of rows) {
    const values = statistics(weight);
    const length = tensorNamed(checkpoint, weight).shape[1] ?? 1;
    for (let i = 0; i < scores.length; i++) {
      const score = scores[i] as number;
      if (method === "maw")
        scores[i] = score + (values[2 * i] as number) + Math.abs(values[2 * i + 1] as number);
      else {
        const [sum, squares, magnitudes] = values.subarray(3 * i, 3 * i + 3) as unknown as [
          number,
          number,
          number,
        ];
        if (method === "vow") scores[i] = score + (squares - (sum * sum) / length) / (length - 1);
        else if (method === "l2") scores[i] = score + Math.sqrt(squares);
        else scores[i] = score * magnitudes;
      }
    }
  }
  return scores;
}

function headScores({ oProj }: PrunableAttention, statistics: StatisticsOf): Float64Array {
  const values = statistics(oProj.weight);
  return Float64Array.from({ length: values.length / 3 }, (_, head) =>
    Math.sqrt(values[3 * head + 1] as number),
  );
}

function layerScores(layers: readonly PrunableLayer[], statistics: StatisticsOf): Float64Array {
  return Float64Array.from(layers, ({ mlp, attention }) => {
    const written = [needed(attention, "attention").oProj, ...neuronLinears(needed(mlp, "MLP")).columns];
    return written
      .flatMap(({ weight }) => [...statistics(weight)].filter((_, i) => i % 3 === 1))
      .reduce((sum, squares) => sum + squares, 0);
  });
}

function neuronCount(checkpoint: Checkpoint, mlp: PrunableMlp): number {
  const [first] = neuronLinears(mlp).rows;
  return tensorNamed(checkpoint, first?.weight ?? "").shape[0] ?? 0;
}

function randomScores(count: number, random: () => number): Float64Array {
  return Float64Array.from({ length: count }, random);
}

function needed<T>(part: T | undefined, name: string): T {
  if (part === undefined) throw new PruningError(`a layer without its ${name} cannot be scored`);
  return part;
}
