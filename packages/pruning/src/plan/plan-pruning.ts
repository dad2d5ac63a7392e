import { type LanguageModelSizes, type ModelDescription, resizeConfig } from "@vlmopt/models";
import { byteLengthOf, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import { neuronLinears, type PrunableLayer, PruningError } from "../prunable.ts";
import { assertRatio } from "./choose.ts";
import { cutHeads, type HeadRequest } from "./cut-heads.ts";
import { cutNeurons, type NeuronRequest } from "./cut-neurons.ts";
import { type DepthRequest, layersToKeep, renumber } from "./drop-layers.ts";
import { fromRanges } from "./index-ranges.ts";
import type { Cut, ModelSize, PruningPlan, Sparsity } from "./pruning-plan.ts";
import { pruningTransform } from "./pruning-transform.ts";

/** The model to prune. */
export interface PruningModel {
  /** The checkpoint's tensors: `checkpoint.tensors`. */
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  /** Its layers: `description.languageModel.layers`, or written by hand. */
  readonly layers: readonly PrunableLayer[];
  /** With these two the plan holds what changes in config.json, and what no loader could load is refused. */
  readonly description?: ModelDescription;
  readonly config?: unknown;
}

export interface PruningRequest {
  readonly neurons?: NeuronRequest;
  readonly heads?: HeadRequest;
  readonly depth?: DepthRequest;
  /** Zeroes the smallest weights of all linears of the layers, compared over `groupSize` of them at a time; 1 unless told. */
  readonly sparsity?: { readonly ratio: number; readonly groupSize?: number };
  /** Kept in the plan, to tell how it was made. */
  readonly made?: Readonly<Record<string, string | number>>;
}

/**
 * Decides what goes, from scores that are at hand; reads nothing.
 * @throws {PruningError} where the request does not fit the model
 * @throws {ConfigError} where the family's configuration cannot say the result, with the reason
 */
export function planPruning(model: PruningModel, request: PruningRequest): PruningPlan {
  const { layers, tensors, description, config } = model;
  const kept = layersToKeep(layers, request.depth);
  const hiddenSize = description?.languageModel.hiddenSize ?? hiddenSizeOf(model);
  const cuts = [
    ...(request.neurons ? cutNeurons(layers, kept, hiddenSize, request.neurons) : []),
    ...(request.heads ? cutHeads(layers, kept, request.heads) : []),
  ];
  const draft: PruningPlan = {
    version: 1,
    made: request.made ?? {},
    cuts,
    ...renumber(layers, kept),
    sparsity: request.sparsity ? sparsityGroups(layers, kept, request.sparsity) : [],
    config: description && config ? resizeConfig(config, description, sizesOf(layers, kept, cuts)) : [],
    before: { parameters: 0, bytes: 0, layers: 0, neurons: 0, heads: 0, kvHeads: 0, flopsPerToken: 0 },
    after: { parameters: 0, bytes: 0, layers: 0, neurons: 0, heads: 0, kvHeads: 0, flopsPerToken: 0 },
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

function hiddenSizeOf({ layers, tensors }: PruningModel): number {
  const mlp = layers[0]?.mlp;
  const first = mlp === undefined ? undefined : neuronLinears(mlp).rows[0];
  return tensors.get(first?.weight ?? "")?.shape[1] ?? 0;
}

/** Sizes that the configuration must say. Uneven cuts have none that it could. */
function sizesOf(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
  cuts: readonly Cut[],
): LanguageModelSizes {
  const counts = (what: Cut["what"]) =>
    new Set(cuts.filter((cut) => cut.what === what).map((cut) => fromRanges(cut.kept).length));
  const [neurons, ...otherSizes] = counts("neurons");
  const [numHeads] = counts("heads");
  const [numKvHeads] = counts("kvHeads");
  const isEven =
    otherSizes.length === 0 && cuts.filter((cut) => cut.what === "neurons").length % kept.length === 0;
  return {
    ...(neurons === undefined || !isEven ? {} : { intermediateSize: neurons }),
    ...(numHeads === undefined ? {} : { numHeads }),
    ...(numKvHeads === undefined ? {} : { numKvHeads }),
    ...(kept.length === layers.length ? {} : { keptLayers: kept }),
  };
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
  { ratio, groupSize = 1 }: { readonly ratio: number; readonly groupSize?: number },
): Sparsity[] {
  assertRatio(ratio, "of weights");
  if (!Number.isSafeInteger(groupSize) || groupSize < 1) {
    throw new PruningError(`a group of ${groupSize} linears is no group`);
  }
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
  const [first] = layers;
  const mlpRows = first?.mlp ? neuronLinears(first.mlp).rows[0]?.weight : undefined;
  return {
    parameters: all.reduce((sum, { shape }) => sum + elementCount(shape), 0),
    bytes: all.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0),
    layers: layers.length,
    neurons: tensors.get(mlpRows ?? "")?.shape[0] ?? 0,
    heads: keptOf("heads") ?? first?.attention?.numHeads ?? 0,
    kvHeads: keptOf("kvHeads") ?? first?.attention?.numKvHeads ?? 0,
    flopsPerToken: layers
      .flatMap(linearsOf)
      .reduce((sum, name) => sum + 2 * elementCount(tensors.get(name)?.shape ?? [0]), 0),
  };
}
