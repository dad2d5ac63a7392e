import { resizeConfig } from "@vlmopt/models";
import { byteLengthOf, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import { neuronLinears, type PrunableLayer, type PrunableLinear, PruningError } from "../prunable.ts";
import { highest } from "./choose.ts";
import { chooseLayers, renumber } from "./drop-layers.ts";
import { attentionOf, type HeadSizes } from "./head-sizes.ts";
import { fromRanges, toRanges } from "./index-ranges.ts";
import { languageModelSizes, type PruningModel, type PruningSizes } from "./plan-sizes.ts";
import type { Cut, ModelSize, PruningPlan, Sparsity } from "./pruning-plan.ts";
import { pruningTransform } from "./pruning-transform.ts";

/** One array a layer of the dense model, from `scoreLayers` or from anywhere else; higher stays. */
export interface UnitScores {
  readonly neurons?: readonly ArrayLike<number>[] | undefined;
  /** A figure a query head. */
  readonly heads?: readonly ArrayLike<number>[] | undefined;
  /** A figure a layer. */
  readonly layers?: ArrayLike<number> | undefined;
}

/** What stays, by index in the dense model. */
export interface UnitChoice {
  readonly layers: readonly number[];
  /** By layer. */
  readonly neurons: ReadonlyMap<number, readonly number[]>;
  readonly heads: ReadonlyMap<number, HeadChoice>;
}

export interface HeadChoice {
  readonly query: readonly number[];
  readonly keyValue: readonly number[];
}

/**
 * The second step of planning: which units stay, by scores that are at hand; reads nothing.
 * @throws {PruningError} where scores are missing, not as many as the units, or not numbers
 */
export function chooseUnits(model: PruningModel, sizes: PruningSizes, scores: UnitScores): PruningPlan {
  const { layers } = model;
  const { neurons, heads, targets } = sizes;
  const kept = chooseLayers(layers.length, targets.depth, scores.layers);
  const headScores = heads && headScoresOf(layers, kept, heads, scores.heads ?? []);
  return planOf(model, sizes, {
    layers: kept,
    neurons: new Map(
      neurons &&
        kept
          .filter((layer) => neurons.after[layer] !== neurons.before[layer])
          .map((layer) => {
            const found = scoresOf(scores.neurons ?? [], layer, layers.length, "neurons");
            assertCount(found, neurons.before[layer] ?? 0, `neurons of layer ${layer}`);
            return [layer, highest(found, neurons.after[layer] ?? 0, `neurons of layer ${layer}`)];
          }),
    ),
    heads: new Map(
      heads &&
        kept.map((layer, i) => {
          const group = attentionOf(layers[layer] as PrunableLayer, layer);
          return [
            layer,
            chooseHeads(heads, group.numHeads, headScores?.[i] ?? [], `heads of layer ${layer}`),
          ];
        }),
    ),
  });
}

/** Heads of one layer that stay. Scores of query heads count together in a group: norms add as squares. */
export function chooseHeads(
  { unit, parts, count, keep }: HeadSizes,
  numHeads: number,
  scores: ArrayLike<number>,
  what = "heads",
): HeadChoice {
  const group = numHeads / (unit === "group" ? count : parts);
  if (unit === "group") {
    const groupScores =
      scores.length === count
        ? scores
        : Array.from({ length: count }, (_, g) =>
            Array.from({ length: group }, (_, i) => scores[g * group + i] as number).reduce(
              (sum, score) => sum + score ** 2,
              0,
            ),
          );
    const keyValue = highest(groupScores, keep, what);
    return {
      keyValue,
      query: keyValue.flatMap((g) => Array.from({ length: group }, (_, i) => g * group + i)),
    };
  }
  const query = Array.from({ length: parts }, (_, g) => {
    const own = Array.from({ length: group }, (_, i) => scores[g * group + i] as number);
    return highest(own, keep, what).map((i) => g * group + i);
  });
  return { keyValue: Array.from({ length: parts }, (_, g) => g), query: query.flat() };
}

/** The plan of a choice that somebody made. */
export function planOf(model: PruningModel, sizes: PruningSizes, choice: UnitChoice): PruningPlan {
  const { layers, tensors, description, config } = model;
  const { targets } = sizes;
  const kept = choice.layers;
  const cuts = [...neuronCuts(layers, sizes, choice), ...headCuts(layers, choice)];
  const draft: PruningPlan = {
    version: 1,
    made: targets.made ?? {},
    cuts,
    ...renumber(layers, kept),
    sparsity: targets.sparsity ? sparsityGroups(layers, kept, targets.sparsity) : [],
    config:
      description && config ? resizeConfig(config, description, languageModelSizes(model, sizes, kept)) : [],
    before: nothing,
    after: nothing,
  };
  const transform = pruningTransform(draft);
  const all = [...tensors.values()];
  const left = all.flatMap((tensor) => transform(tensor)?.outputs ?? [tensor]);
  const old = new Map(Object.entries(draft.rename).map(([from, to]) => [to, from]));
  const leftByOldName = new Map(left.map((tensor) => [old.get(tensor.name) ?? tensor.name, tensor]));
  return {
    ...draft,
    before: measure(all, tensors, layers, []),
    after: measure(
      left,
      leftByOldName,
      kept.map((index) => layers[index] as PrunableLayer),
      cuts,
    ),
  };
}

const nothing: ModelSize = {
  parameters: 0,
  bytes: 0,
  layers: 0,
  neurons: 0,
  heads: 0,
  kvHeads: 0,
  flopsPerToken: 0,
};

function scoresOf(
  all: readonly ArrayLike<number>[],
  layer: number,
  layers: number,
  what: string,
): ArrayLike<number> {
  if (all.length !== layers) {
    throw new PruningError(
      `the model has ${layers} layers and scores of ${what} were given for ${all.length}`,
    );
  }
  return all[layer] as ArrayLike<number>;
}

function assertCount(scores: ArrayLike<number>, count: number, what: string): void {
  if (scores.length === count) return;
  throw new PruningError(`there are ${count} ${what} and ${scores.length} scores`);
}

/** Of the layers that stay; in the seed's mode all have the average over them. */
function headScoresOf(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
  { mode }: HeadSizes,
  all: readonly ArrayLike<number>[],
): ArrayLike<number>[] {
  const scores = kept.map((layer) => {
    const found = scoresOf(all, layer, layers.length, "heads");
    const { numHeads } = attentionOf(layers[layer] as PrunableLayer, layer);
    assertCount(found, numHeads, `heads of layer ${layer}`);
    return found;
  });
  if (mode === "per-layer") return scores;
  const average = Array.from(
    { length: scores[0]?.length ?? 0 },
    (_, head) => scores.reduce((total, layer) => total + (layer[head] as number), 0) / scores.length,
  );
  return scores.map(() => average);
}

function neuronCuts(layers: readonly PrunableLayer[], { neurons }: PruningSizes, choice: UnitChoice): Cut[] {
  return [...choice.neurons].map(([layer, kept]) => {
    const mlp = layers[layer]?.mlp;
    if (mlp === undefined) throw new PruningError(`layer ${layer} has no MLP`);
    const { rows, columns } = neuronLinears(mlp);
    return {
      layer,
      what: "neurons",
      count: neurons?.before[layer] ?? 0,
      kept: toRanges(kept),
      size: 1,
      rows: namesOf(rows),
      columns: columns.map(({ weight }) => weight),
    };
  });
}

function headCuts(layers: readonly PrunableLayer[], choice: UnitChoice): Cut[] {
  return [...choice.heads].flatMap(([layer, { query, keyValue }]): Cut[] => {
    const attention = attentionOf(layers[layer] as PrunableLayer, layer);
    const { qProj, kProj, vProj, oProj, numHeads, numKvHeads, headDim } = attention;
    const heads: Cut = {
      layer,
      what: "heads",
      count: numHeads,
      kept: toRanges(query),
      size: headDim,
      rows: namesOf([qProj]),
      columns: [oProj.weight],
    };
    const kvHeads: Cut = {
      layer,
      what: "kvHeads",
      count: numKvHeads,
      kept: toRanges(keyValue),
      size: headDim,
      rows: namesOf([kProj, vProj]),
      columns: [],
    };
    return keyValue.length < numKvHeads ? [heads, kvHeads] : [heads];
  });
}

function namesOf(linears: readonly PrunableLinear[]): string[] {
  return linears.flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]));
}

/** The linears of a layer in the order in which the model has them: q, k, v, o, then the MLP's. */
function linearsOf({ attention, mlp }: PrunableLayer): string[] {
  const attentionLinears = attention
    ? [attention.qProj, attention.kProj, attention.vProj, attention.oProj]
    : [];
  const mlpLinears = mlp ? Object.values(neuronLinears(mlp)).flat() : [];
  return [...attentionLinears, ...mlpLinears].map(({ weight }) => weight);
}

function sparsityGroups(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
  { ratio, groupSize = 1 }: NonNullable<PruningSizes["targets"]["sparsity"]>,
): Sparsity[] {
  const linears = kept.flatMap((index) => linearsOf(layers[index] as PrunableLayer));
  const groups: Sparsity[] = [];
  for (let i = 0; i < linears.length; i += groupSize)
    groups.push({ ratio, tensors: linears.slice(i, i + groupSize) });
  return groups;
}

function measure(
  all: readonly TensorSpec[],
  tensors: ReadonlyMap<string, TensorSpec>,
  layers: readonly PrunableLayer[],
  cuts: readonly Cut[],
): ModelSize {
  const keptOf = (what: Cut["what"]) => {
    const cut = cuts.find((candidate) => candidate.what === what);
    return cut === undefined ? undefined : fromRanges(cut.kept).length;
  };
  const widths = layers.map(({ mlp }) => {
    const rows = mlp === undefined ? undefined : neuronLinears(mlp).rows[0]?.weight;
    return tensors.get(rows ?? "")?.shape[0] ?? 0;
  });
  const [first] = layers;
  return {
    parameters: all.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: all.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0),
    layers: layers.length,
    neurons:
      layers.length === 0 ? 0 : Math.round(widths.reduce((sum, width) => sum + width, 0) / layers.length),
    heads: keptOf("heads") ?? first?.attention?.numHeads ?? 0,
    kvHeads: keptOf("kvHeads") ?? first?.attention?.numKvHeads ?? 0,
    flopsPerToken: layers
      .flatMap(linearsOf)
      .reduce((sum, name) => sum + 2 * elementCount(tensors.get(name)?.shape ?? [0]), 0),
  };
}
