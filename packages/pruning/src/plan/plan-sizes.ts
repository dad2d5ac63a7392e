import { type LanguageModelSizes, type ModelDescription, resizeConfig } from "@vlmopt/models";
import type { TensorSpec } from "@vlmopt/tensor-io";
import { neuronLinears, type PrunableLayer, PruningError } from "../prunable.ts";
import { assertRatio } from "./choose.ts";
import { type DepthTargets, layersThatStay } from "./drop-layers.ts";
import { type HeadSizes, type HeadTargets, headSizes } from "./head-sizes.ts";
import { type NeuronSizes, type NeuronTargets, neuronSizes } from "./neuron-sizes.ts";

/** The model to prune. */
export interface PruningModel {
  /** The checkpoint's tensors: `checkpoint.tensors`. */
  readonly tensors: ReadonlyMap<string, TensorSpec>;
  /** Its layers: `description.languageModel.layers`, or written by hand. */
  readonly layers: readonly PrunableLayer[];
  /** With these two the plan holds what changes in config.json, and what no loader could load is refused. */
  readonly description?: ModelDescription | undefined;
  readonly config?: unknown;
}

/** What should become of a model, before anything is known of which units go. */
export interface PruningTargets {
  readonly neurons?: NeuronTargets | undefined;
  readonly heads?: HeadTargets | undefined;
  readonly depth?: DepthTargets | undefined;
  /** Zeroes the smallest weights of all linears of the layers, compared over `groupSize` (default: 1) of them at a time. */
  readonly sparsity?: { readonly ratio: number; readonly groupSize?: number | undefined } | undefined;
  /** Kept in the plan, to tell how it was made. */
  readonly made?: Readonly<Record<string, string | number>> | undefined;
}

/** How large the model will be. Which units stay is chosen by `chooseUnits`. */
export interface PruningSizes {
  readonly targets: PruningTargets;
  /** Layers that stay. */
  readonly layers: number;
  readonly neurons: NeuronSizes | undefined;
  readonly heads: HeadSizes | undefined;
  /** What rounding made of the targets, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The first step of planning: sizes, and all that the model cannot be; needs no score and reads nothing.
 * @throws {PruningError} where a target does not fit the model
 * @throws {ConfigError} where the family's configuration cannot say the result, with the reason
 */
export function planSizes(model: PruningModel, targets: PruningTargets): PruningSizes {
  const { layers, tensors, description, config } = model;
  const stay = layersThatStay(layers.length, targets.depth);
  const hiddenSize = description?.languageModel.hiddenSize ?? hiddenSizeOf(model);
  const sizes: PruningSizes = {
    targets,
    layers: stay,
    neurons: targets.neurons && neuronSizes(layers, tensors, hiddenSize, targets.neurons),
    heads: targets.heads && headSizes(layers, targets.heads),
    notes: [],
  };
  if (targets.sparsity !== undefined) {
    const { ratio, groupSize = 1 } = targets.sparsity;
    assertRatio(ratio, "of weights");
    if (!Number.isSafeInteger(groupSize) || groupSize < 1) {
      throw new PruningError(`a group of ${groupSize} linears is no group`);
    }
  }
  if (description !== undefined && config !== undefined) {
    const kept = Array.from({ length: stay }, (_, index) => index);
    resizeConfig(config, description, languageModelSizes(model, sizes, kept));
  }
  return { ...sizes, notes: roundingNotes(sizes) };
}

/** Sizes as config.json says them. */
export function languageModelSizes(
  { layers }: PruningModel,
  { neurons, heads }: PruningSizes,
  kept: readonly number[],
): LanguageModelSizes {
  const widths = neurons && kept.map((index) => neurons.after[index] ?? 0);
  const even = new Set(widths).size === 1;
  return {
    ...(widths === undefined ? {} : { intermediateSize: even ? (widths[0] ?? 0) : widths }),
    ...(heads === undefined ? {} : { numHeads: heads.numHeads, numKvHeads: heads.numKvHeads }),
    ...(kept.length === layers.length ? {} : { keptLayers: kept }),
  };
}

function hiddenSizeOf({ layers, tensors }: PruningModel): number {
  const mlp = layers[0]?.mlp;
  const first = mlp === undefined ? undefined : neuronLinears(mlp).rows[0];
  return tensors.get(first?.weight ?? "")?.shape[1] ?? 0;
}

/** More than half a point between what was asked for and what rounding made of it is worth a word. */
function roundingNotes({ targets, neurons, heads }: PruningSizes): string[] {
  const notes: string[] = [];
  const percent = (share: number) => `${Number((100 * share).toFixed(1))} %`;
  if (targets.neurons !== undefined && "ratio" in targets.neurons && neurons !== undefined) {
    const [before = 0] = neurons.before;
    const [after = 0] = neurons.after;
    const gone = 1 - after / before;
    if (neurons.after.every((width) => width === after) && Math.abs(gone - targets.neurons.ratio) > 0.005) {
      notes.push(
        `${percent(targets.neurons.ratio)} of ${before} neurons was asked for and ${percent(gone)} go: ${after} stay, a multiple of ${neurons.divisor} (a smaller divisor comes closer)`,
      );
    }
  }
  if (targets.heads !== undefined && heads !== undefined) {
    const gone = 1 - heads.keep / heads.count;
    if (Math.abs(gone - targets.heads.ratio) > 0.005) {
      const what =
        heads.unit === "query"
          ? `${heads.count} query heads of each group`
          : `${heads.count} key-value heads`;
      notes.push(
        `${percent(targets.heads.ratio)} of the heads was asked for and ${percent(gone)} go: ${heads.keep} of ${what} stay`,
      );
    }
  }
  return notes;
}
