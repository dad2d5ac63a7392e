import { builtModule, type Checkpoint, tensorNamed } from "@vlmopt/tensor-io";
import {
  neuronCount,
  neuronLinears,
  type PrunableAttention,
  type PrunableLayer,
  type PrunableMlp,
  PruningError,
} from "../prunable.ts";
import { gatherStatistics, type PassOptions } from "../statistics-pass.ts";
import { seededRandom } from "./seeded-random.ts";
import { statisticSizes } from "./segment-statistics.ts";
import type { StatisticsOptions } from "./statistics-stage.ts";
import type { UnitKind, UnitScorer, WeightScorer } from "./unit-scorer.ts";
import { defaultScorers, scorerNamed, scorerNames } from "./unit-scorers.ts";

export interface ScoreOptions extends PassOptions {
  /** Of `random`. */
  readonly seed?: number | undefined;
}

export interface ScoreRequest {
  readonly neurons?: string | UnitScorer | undefined;
  readonly heads?: string | UnitScorer | undefined;
  /** Score of a layer as a whole: ‖W_o‖_F² + ‖W_down‖_F², what it can write into the residual stream. */
  readonly layers?: boolean | undefined;
}

/** Higher is worth more. One array a layer, in the order of the layers; what was not asked for is undefined. */
export interface Scores {
  /** By neuron. */
  readonly neurons: readonly Float64Array[] | undefined;
  /** By query head. */
  readonly heads: readonly Float64Array[] | undefined;
  readonly layers: Float64Array | undefined;
}

/** Scores the neurons of every layer by their weights. */
export async function scoreNeurons(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  scorer: string | UnitScorer = defaultScorers.weights.neurons,
  options: ScoreOptions = {},
): Promise<readonly Float64Array[]> {
  return (await scoreLayers(checkpoint, layers, { neurons: scorer }, options)).neurons ?? [];
}

/** Scores the query heads of every layer by the Frobenius norm of their columns of o_proj. */
export async function scoreHeads(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  options: ScoreOptions = {},
): Promise<readonly Float64Array[]> {
  return (
    (await scoreLayers(checkpoint, layers, { heads: defaultScorers.weights.heads }, options)).heads ?? []
  );
}

/**
 * Scores whatever is asked for in one pass over the tensors that it needs, block by block in worker threads; 16-bit weights are compared
 * as they are stored.
 * @throws {PruningError} where a weight is not finite, naming its tensor, or a score needs activations
 */
export async function scoreLayers(
  checkpoint: Checkpoint,
  layers: readonly PrunableLayer[],
  request: ScoreRequest,
  { seed = 0, ...options }: ScoreOptions = {},
): Promise<Scores> {
  const random = seededRandom(seed);
  const scorers = {
    neurons: request.neurons === undefined ? undefined : weightScorer(request.neurons, "neurons"),
    heads: request.heads === undefined ? undefined : weightScorer(request.heads, "heads"),
  };
  const wanted = statisticsFor(layers, scorers, request.layers === true);
  const statistics = await finiteStatistics(checkpoint, wanted, options);
  return {
    neurons:
      scorers.neurons &&
      layers.map(({ mlp }) =>
        neuronScores(checkpoint, needed(mlp, "MLP"), scorers.neurons as WeightScorer, statistics, random),
      ),
    heads:
      scorers.heads &&
      layers.map(({ attention }) =>
        headScores(needed(attention, "attention"), scorers.heads as WeightScorer, statistics, random),
      ),
    layers: request.layers ? layerScores(layers, statistics) : undefined,
  };
}

function weightScorer(scorer: string | UnitScorer, units: UnitKind): WeightScorer {
  const found = scorerNamed(scorer, units);
  if (found.needs === "weights") return found;
  throw new PruningError(
    `the score ${found.name} of ${units} needs activations, which weights alone do not give`,
    `compress with calibration data, or take ${scorerNames(units, "weights").join(", ")}`,
  );
}

function statisticsFor(
  layers: readonly PrunableLayer[],
  { neurons, heads }: Record<UnitKind, WeightScorer | undefined>,
  depth: boolean,
): ReadonlyMap<string, StatisticsOptions> {
  const wanted = new Map<string, StatisticsOptions>();
  const columnMoments = (name: string, segmentsPerRow: number) =>
    wanted.set(name, { statistic: "moments", segmentsPerRow, addRows: true });
  for (const { mlp, attention } of layers) {
    if (neurons?.rows !== undefined) {
      for (const { weight } of neuronLinears(needed(mlp, "MLP")).rows) {
        wanted.set(weight, { statistic: neurons.rows, segmentsPerRow: 1, addRows: false });
      }
    }
    if (depth || heads?.columns) {
      const { oProj, numHeads } = needed(attention, "attention");
      columnMoments(oProj.weight, numHeads);
    }
    if (depth) {
      for (const { weight } of neuronLinears(needed(mlp, "MLP")).columns) columnMoments(weight, 1);
    }
  }
  return wanted;
}

/** @throws {PruningError} where a figure is not finite, because a weight is not */
async function finiteStatistics(
  checkpoint: Checkpoint,
  wanted: ReadonlyMap<string, StatisticsOptions>,
  options: PassOptions,
): Promise<StatisticsOf> {
  const module = builtModule("statistics-stage", import.meta.url);
  const gatherings = [...wanted].map(([name, stageOptions]) => {
    const rows = stageOptions.addRows ? 1 : (tensorNamed(checkpoint, name).shape[0] ?? 1);
    const shape = [rows * stageOptions.segmentsPerRow, statisticSizes[stageOptions.statistic]];
    return [name, { stage: { module, options: stageOptions }, shape }] as const;
  });
  const figures = await gatherStatistics(checkpoint, new Map(gatherings), options);
  for (const [name, values] of figures) {
    if (values.every(Number.isFinite)) continue;
    throw new PruningError(`${name} holds NaN or infinity, so its neurons or heads cannot be scored`);
  }
  return (name) => figures.get(name) ?? new Float64Array();
}

/** Figures of a tensor, by its name. */
type StatisticsOf = (name: string) => Float64Array;

function neuronScores(
  checkpoint: Checkpoint,
  mlp: PrunableMlp,
  scorer: WeightScorer,
  statistics: StatisticsOf,
  random: () => number,
): Float64Array {
  const rows = neuronLinears(mlp).rows.map(({ weight }) => ({
    values: statistics(weight),
    length: tensorNamed(checkpoint, weight).shape[1] ?? 1,
  }));
  const count = neuronCount(checkpoint.tensors, mlp);
  return Float64Array.from(scorer.score({ count, rows, columns: new Float64Array(), random }));
}

function headScores(
  { oProj, numHeads }: PrunableAttention,
  scorer: WeightScorer,
  statistics: StatisticsOf,
  random: () => number,
): Float64Array {
  const columns = statistics(oProj.weight);
  return Float64Array.from(scorer.score({ count: numHeads, rows: [], columns, random }));
}

function layerScores(layers: readonly PrunableLayer[], statistics: StatisticsOf): Float64Array {
  return Float64Array.from(layers, ({ mlp, attention }) => {
    const written = [needed(attention, "attention").oProj, ...neuronLinears(needed(mlp, "MLP")).columns];
    return written
      .flatMap(({ weight }) => [...statistics(weight)].filter((_, i) => i % 3 === 1))
      .reduce((sum, squares) => sum + squares, 0);
  });
}

function needed<T>(part: T | undefined, name: string): T {
  if (part === undefined) throw new PruningError(`a layer without its ${name} cannot be scored`);
  return part;
}
