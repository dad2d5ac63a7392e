import type {
  CalibrationWalk,
  InputStatistics,
  LinearAlgebra,
  Replacements,
  ResidualTarget,
} from "@vlmopt/models";
import {
  chooseHeads,
  type HeadChoice,
  type HeadSizes,
  highest,
  neuronLinears,
  type PrunableAttention,
  type PrunableLinear,
  type PrunableMlp,
  PruningError,
  type Refit,
  refit,
  type UnitScorer,
} from "@vlmopt/pruning";
import { type Checkpoint, tensorNamed } from "@vlmopt/tensor-io";
import type { BlockReport } from "./calibration.ts";
import { cutHeads, cutNeurons } from "./cut-block.ts";
import { asStored, columnsOf, readFloats, withColumns } from "./stored-matrix.ts";

/** What compressing a block takes from its surroundings. */
export interface BlockContext {
  readonly source: Checkpoint;
  readonly walk: CalibrationWalk;
  readonly algebra: LinearAlgebra;
  readonly refit: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface CompressedBlock {
  /** Of the block as the walk goes on with it. */
  readonly replacements: Replacements;
  /** Tensors whose weights are new, not only fewer. */
  readonly repaired: readonly string[];
  readonly report: Omit<BlockReport, "streamError">;
}

/**
 * The residual stream's share in what down_proj is fitted to; the rest is what it gave before. Half of it generalises better than all,
 * measured on SmolLM2-135M: half of the neurons gone, perplexity 41.2 instead of 42.3.
 */
const RESIDUAL_SHARE = 0.5;
/** Before layers that go there is nothing else to fit to. */
const CUT_SHARE = 1;
/** Pull towards the old weights, as a share of the inputs' mean square. Weak where only neurons go. */
const WEAK_PULL = 0.01;
/** Heads that went leave larger errors in the stream, of few tokens: SmolLM2 29.5 instead of 29.8. */
const STRONG_PULL = 0.1;

/** Removes heads of an attention block and fits o_proj to what it gave. */
export async function compressAttention(
  context: BlockContext,
  layer: number,
  attention: PrunableAttention,
  sizes: HeadSizes,
  scorer: UnitScorer,
  scores: ArrayLike<number> | undefined,
): Promise<CompressedBlock & { readonly kept: HeadChoice }> {
  const { oProj, numHeads, numKvHeads, headDim } = attention;
  const closing = await observeClosing(context, oProj, 0);
  const isGroup = sizes.unit === "group";
  const size = isGroup ? (numHeads / numKvHeads) * headDim : headDim;
  const found =
    scores ??
    (await unitScores(scorer, context, closing, {
      count: isGroup ? numKvHeads : numHeads,
      size,
      keep: sizes.keep,
      parts: sizes.parts,
    }));
  const kept = chooseHeads(sizes, numHeads, found, `heads of layer ${layer}`);
  const columns = columnsOf(kept.query, headDim);
  const repaired = await refitted(context, closing, oProj, columns, WEAK_PULL);
  const cut = await cutHeads(context.source, attention, kept, context.signal);
  return {
    kept,
    replacements: new Map([...repaired.replacements, ...cut]),
    repaired: repaired.names,
    report: {
      layer,
      kind: "attention",
      units: { before: numHeads, after: kept.query.length },
      ...(await unfittedError(context, closing, oProj, columns, cut)),
      ...repaired.figures,
    },
  };
}

export interface MlpRequest {
  readonly layer: number;
  readonly mlp: PrunableMlp;
  /** Neurons that stay; undefined leaves them all. */
  readonly keep: number | undefined;
  readonly scorer: UnitScorer;
  /** Where weights alone decide. */
  readonly scores: ArrayLike<number> | undefined;
  /** Layers that go follow. */
  readonly beforeCut: boolean;
  readonly headsGone: boolean;
}

/** Removes neurons of an MLP and fits down_proj, or fc2, to what the residual stream lacks. */
export async function compressMlp(
  context: BlockContext,
  { layer, mlp, keep, scorer, scores, beforeCut, headsGone }: MlpRequest,
): Promise<CompressedBlock & { readonly kept: readonly number[] | undefined }> {
  const { columns } = neuronLinears(mlp);
  const [last] = columns;
  if (last === undefined)
    throw new PruningError(`the MLP of layer ${layer} has no linear that reads its neurons`);
  const share = beforeCut ? CUT_SHARE : RESIDUAL_SHARE;
  const closing = await observeClosing(context, last, share);
  const { count } = closing;
  let kept: readonly number[] | undefined;
  if (keep !== undefined && keep < count) {
    const found = scores ?? (await unitScores(scorer, context, closing, { count, size: 1, keep, parts: 1 }));
    kept = highest(found, keep, `neurons of layer ${layer}`);
  }
  const pull = headsGone ? STRONG_PULL : WEAK_PULL;
  const cut: Replacements =
    kept === undefined ? new Map() : await cutNeurons(context.source, mlp, kept, context.signal);
  const units = kept ?? Array.from({ length: count }, (_, i) => i);
  let repaired = await refitted(context, closing, last, units, pull);
  if (beforeCut && context.refit && closing.target !== undefined) {
    // A fit that replaces whole layers may overfit: keep the better of the two on held-out data.
    const local = await refitted(context, await observeClosing(context, last, 0), last, units, pull);
    const [far, near] = [
      await context.walk.loss(new Map([...repaired.replacements, ...cut])),
      await context.walk.loss(new Map([...local.replacements, ...cut])),
    ];
    if (near < far) repaired = local;
  }
  return {
    kept,
    replacements: new Map([...repaired.replacements, ...cut]),
    repaired: repaired.names,
    report: {
      layer,
      kind: "mlp",
      ...(kept === undefined ? {} : { units: { before: count, after: kept.length } }),
      ...(await unfittedError(context, closing, last, units, cut)),
      ...repaired.figures,
    },
  };
}

/** The linear that reads units, with all that is known of its inputs. */
interface Closing {
  readonly weight: Float32Array;
  readonly outFeatures: number;
  /** Columns. */
  readonly count: number;
  readonly inputs: InputStatistics;
  readonly target: ResidualTarget | undefined;
}

async function observeClosing(
  { source, walk, signal }: BlockContext,
  { weight: name, bias }: PrunableLinear,
  share: number,
): Promise<Closing> {
  signal?.throwIfAborted();
  // A bias is fitted too, and needs the mean of the target: the walk gives it for the local target alone.
  const { inputs, target } = await walk.observe({
    gram: [name],
    ...(bias === undefined ? { target: share } : {}),
  });
  const found = inputs.get(name);
  if (found === undefined) throw new PruningError(`nothing is known of what goes into ${name}`);
  const [outFeatures = 1, count = 1] = tensorNamed(source, name).shape;
  return { weight: await readFloats(source, name, signal), outFeatures, count, inputs: found, target };
}

async function unitScores(
  scorer: UnitScorer,
  { algebra }: BlockContext,
  { weight, outFeatures, inputs }: Closing,
  units: { readonly count: number; readonly size: number; readonly keep: number; readonly parts: number },
): Promise<ArrayLike<number>> {
  if (scorer.needs === "weights") {
    throw new PruningError(`scores by ${scorer.name}, of weights alone, are missing`);
  }
  const scores = await scorer.score({ ...units, weight, outFeatures, inputs, algebra });
  if (scores.length === units.count) return scores;
  throw new PruningError(`the score ${scorer.name} gave ${scores.length} numbers for ${units.count} units`);
}

interface Repair {
  readonly replacements: Replacements;
  readonly names: readonly string[];
  readonly figures: Pick<BlockReport, "lambda" | "underdetermined">;
}

async function refitted(
  { source, algebra, signal, ...context }: BlockContext,
  { weight, outFeatures, inputs, target }: Closing,
  { weight: name, bias }: PrunableLinear,
  kept: readonly number[],
  lambda: number,
): Promise<Repair> {
  const shape = [outFeatures, kept.length];
  if (!context.refit) {
    const replaced = withColumns(source, name, weight, kept);
    return { replacements: new Map([[name, replaced]]), names: [], figures: {} };
  }
  const intercept = bias !== undefined;
  const found: Refit = await refit(
    { name, weight, outFeatures, inputs, kept, target, intercept, lambda },
    algebra,
  );
  const replacements = new Map([[name, asStored(source, name, { shape, data: found.weight })]]);
  if (bias !== undefined && found.intercept !== undefined) {
    const old = await readFloats(source, bias, signal);
    const data = old.map((value, i) => value + (found.intercept?.[i] as number));
    replacements.set(bias, asStored(source, bias, { shape: [outFeatures], data }));
  }
  return {
    replacements,
    names: [...replacements.keys()],
    figures: {
      lambda: found.lambda,
      ...(found.underdetermined ? { underdetermined: true } : {}),
    },
  };
}

/** The stream error behind the block if the kept units keep their old weights. */
async function unfittedError(
  { source, walk, refit }: BlockContext,
  { weight }: Closing,
  { weight: name }: PrunableLinear,
  kept: readonly number[],
  cut: Replacements,
): Promise<Pick<BlockReport, "unfittedError">> {
  if (!refit) return {};
  const old = withColumns(source, name, weight, kept);
  return { unfittedError: await walk.error(new Map([...cut, [name, old]])) };
}
