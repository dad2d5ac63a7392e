import type { CalibrationWalk, Replacements } from "@vlmopt/models";
import {
  chooseLayers,
  type HeadChoice,
  linearAlgebra,
  madeBy,
  neuronLinears,
  type PrunableLayer,
  PruningError,
  type PruningModel,
  type PruningPlan,
  type PruningSizes,
  planOf,
  planSizes,
  type Scores,
  scoreLayers,
} from "@vlmopt/pruning";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { allocateWidths } from "./allocate-widths.ts";
import type { BlockStore, DoneBlock } from "./block-store.ts";
import type { BlockReport, Calibration } from "./calibration.ts";
import { type BlockContext, compressAttention, compressMlp } from "./compress-block.ts";
import { type Compression, pruningTargets, scorersOf } from "./compression.ts";
import { cutHeads, cutNeurons } from "./cut-block.ts";
import { fitFinalNorm } from "./fit-final-norm.ts";
import { type BlockQuantization, quantizeBlock } from "./quantize-block.ts";
import { columnsOf, readFloats, withColumns } from "./stored-matrix.ts";

export interface CompressLayersOptions {
  /** Rounds linears in the same pass; a function is told what will be left of the model, before its weights are. */
  readonly quantize?:
    | BlockQuantization
    | ((sizes: PruningSizes, dropped: readonly number[]) => Promise<BlockQuantization | undefined>)
    | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called before the first block with 0, and after each; `resumed` where an earlier run had done it. */
  readonly onBlock?: ((done: number, total: number, resumed: boolean) => void) | undefined;
}

/** What compressing decided; the new weights lie in the store. */
export interface CompressedLayers {
  readonly plan: PruningPlan;
  readonly reports: readonly BlockReport[];
  /** What rounding made of the targets, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Goes through a decoder block by block: calibration data on the stream of the model compressed so far tells which units stay, and least
 * squares fit the block's last linear to what the stream lacks. One block's weights are in memory at a time.
 * @param store where finished blocks are kept; those that it holds are not done again
 * @throws {PruningError | ConfigError} where the compression does not fit the model, before any data is read
 */
export async function compressLayers(
  source: Checkpoint,
  model: PruningModel,
  spec: Compression,
  calibration: Calibration,
  store: BlockStore,
  { signal, onBlock, quantize }: CompressLayersOptions = {},
): Promise<CompressedLayers> {
  if (spec.l1 !== undefined) {
    throw new PruningError(
      "l1 zeroes weights by their size alone, which repairing the others by data would undo",
      "choose by weights alone, or leave l1 out",
    );
  }
  const { neurons } = planSizes(model, pruningTargets(spec));
  const weightScores = await scoresByWeights(source, model.layers, spec, signal);
  const dropped = await layersToDrop(model.layers, spec, calibration, weightScores);
  const scorers = scorersOf(spec, {
    before: Math.max(0, ...(neurons?.before ?? [])),
    after: Math.max(0, ...(neurons?.after ?? [])),
  });
  const made = {
    ...madeBy(pruningTargets(spec, dropped), scorers, spec.seed ?? 0),
    refit: String(spec.refit ?? true),
    data: String(calibration.about.source ?? "calibration data"),
  };
  let sizes = planSizes(model, { ...pruningTargets(spec, dropped), made });
  if (spec.allocate === "global" && sizes.neurons !== undefined) {
    sizes = await allocated(source, model, spec, sizes, dropped, calibration, signal);
  }
  const quantization = typeof quantize === "function" ? await quantize(sizes, dropped) : quantize;
  const walk = await calibration.walk(dropped);
  try {
    const done = await walkThrough(walk, source, model, spec, sizes, {
      scorers,
      weightScores,
      calibration,
      store,
      signal,
      onBlock,
      quantize: quantization,
    });
    const choice = {
      layers: model.layers.map((_, index) => index).filter((index) => !dropped.includes(index)),
      neurons: new Map<number, readonly number[]>(),
      heads: new Map<number, HeadChoice>(),
    };
    for (const { report, neurons, heads } of done) {
      if (neurons !== undefined) choice.neurons.set(report.layer, neurons);
      if (heads !== undefined) choice.heads.set(report.layer, heads);
    }
    return {
      plan: planOf(model, sizes, choice),
      reports: done.map(({ report }) => report),
      notes: [...sizes.notes, ...done.flatMap(({ notes = [] }) => notes)],
    };
  } finally {
    await walk.release();
  }
}

interface Surroundings extends Omit<CompressLayersOptions, "quantize"> {
  readonly quantize: BlockQuantization | undefined;
  readonly scorers: ReturnType<typeof scorersOf>;
  readonly weightScores: Scores;
  readonly calibration: Calibration;
  readonly store: BlockStore;
}

async function walkThrough(
  walk: CalibrationWalk,
  source: Checkpoint,
  { layers }: PruningModel,
  spec: Compression,
  sizes: PruningSizes,
  { scorers, weightScores, calibration, store, signal, onBlock, quantize }: Surroundings,
): Promise<DoneBlock[]> {
  const context: BlockContext = {
    source,
    walk,
    algebra: calibration.algebra ?? linearAlgebra(),
    refit: spec.refit ?? true,
    signal,
  };
  const done: DoneBlock[] = [];
  let changed = walk.blocks[0]?.layer !== 0;
  onBlock?.(0, walk.blocks.length, store.done > 0);
  for (const [index, { layer, kind }] of walk.blocks.entries()) {
    signal?.throwIfAborted();
    const { attention, mlp } = layers[layer] as PrunableLayer;
    const following = walk.blocks[index + 1]?.layer ?? layers.length;
    const beforeCut = kind === "mlp" && following !== layer + 1;
    let block: DoneBlock;
    let replacements: Replacements = new Map();
    if (index < store.done) {
      block = await store.read(index);
      replacements = await replacementsOf(source, layers[layer] as PrunableLayer, block, signal);
      await walk.advance(replacements);
    } else {
      const keep = sizes.neurons?.after[layer];
      const cutsNeurons = keep !== undefined && keep !== sizes.neurons?.before[layer];
      let compressed: Awaited<ReturnType<typeof compressAttention | typeof compressMlp>> | undefined;
      if (kind === "attention" && attention !== undefined && sizes.heads !== undefined) {
        const scores = weightScores.heads?.[layer];
        compressed = await compressAttention(context, layer, attention, sizes.heads, scorers.heads, scores);
      } else if (
        kind === "mlp" &&
        mlp !== undefined &&
        (cutsNeurons || (context.refit && (beforeCut || (changed && quantize?.method.refit !== true))))
      ) {
        compressed = await compressMlp(context, {
          layer,
          mlp,
          keep,
          scorer: scorers.neurons,
          scores: weightScores.neurons?.[layer],
          beforeCut,
          headsGone: sizes.heads !== undefined,
        });
      }
      replacements = compressed?.replacements ?? replacements;
      const quantized =
        quantize &&
        (await quantizeBlock(context, layers[layer] as PrunableLayer, kind, replacements, quantize));
      replacements = quantized?.replacements ?? replacements;
      const { error: streamError } = await walk.advance(replacements);
      const { kept } = compressed ?? {};
      block = {
        report: {
          ...(compressed?.report ?? { layer, kind }),
          streamError,
          ...(quantized === undefined ? {} : { linears: quantized.linears }),
        },
        neurons: Array.isArray(kept) ? kept : undefined,
        heads: kept !== undefined && "query" in kept ? kept : undefined,
        repaired: new Map(
          [...replacements].filter(
            ([name]) => compressed?.repaired.includes(name) || quantized?.repaired.includes(name),
          ),
        ),
        packed: quantized?.packed,
        notes: quantized?.notes,
      };
      await store.write(index, block);
    }
    // Rounding alone calls for no fit: methods that fit do so themselves.
    const pruned =
      quantize === undefined ? replacements.size > 0 : (block.neurons ?? block.heads) !== undefined;
    changed ||= pruned || beforeCut;
    // New weights are in the store: one block of them in memory is enough.
    done.push({ ...block, repaired: new Map(), packed: undefined });
    onBlock?.(index + 1, walk.blocks.length, index + 1 < store.done);
  }
  const norm = context.refit && (changed || quantize?.method.refit === true) && (await closingNorm());
  return norm ? [...done, norm] : done;

  async function closingNorm(): Promise<DoneBlock | undefined> {
    const index = walk.blocks.length;
    if (index < store.done) return store.read(index);
    const fitted = await fitFinalNorm(source, walk, signal);
    const { layer = 0, streamError = 0 } = done.at(-1)?.report ?? {};
    if (fitted === undefined) return undefined;
    const block = {
      report: { layer, kind: "norm", loss: fitted.loss, streamError },
      repaired: fitted.replacements,
    } as const;
    await store.write(index, block);
    return block;
  }
}

/** The tensors of a block that was done earlier: new ones from the store, smaller ones cut again. */
async function replacementsOf(
  source: Checkpoint,
  { attention, mlp }: PrunableLayer,
  { neurons, heads, repaired }: DoneBlock,
  signal: AbortSignal | undefined,
): Promise<Replacements> {
  const replacements = new Map(repaired);
  const cut = async (cuts: Replacements, last: string | undefined, columns: readonly number[]) => {
    for (const [name, tensor] of cuts) if (!replacements.has(name)) replacements.set(name, tensor);
    if (last === undefined || replacements.has(last)) return;
    replacements.set(last, withColumns(source, last, await readFloats(source, last, signal), columns));
  };
  if (heads !== undefined && attention !== undefined) {
    const columns = columnsOf(heads.query, attention.headDim);
    await cut(await cutHeads(source, attention, heads, signal), attention.oProj.weight, columns);
  }
  if (neurons !== undefined && mlp !== undefined) {
    const last = neuronLinears(mlp).columns[0]?.weight;
    await cut(await cutNeurons(source, mlp, neurons, signal), last, neurons);
  }
  return replacements;
}

async function scoresByWeights(
  source: Checkpoint,
  layers: readonly PrunableLayer[],
  spec: Compression,
  signal: AbortSignal | undefined,
): Promise<Scores> {
  const { neurons, heads } = scorersOf(spec);
  const prunesNeurons = [spec.glu, spec.keepNeurons, spec.expansion].some((given) => given !== undefined);
  return scoreLayers(
    source,
    layers,
    {
      neurons: prunesNeurons && neurons.needs === "weights" ? neurons : undefined,
      heads: spec.heads !== undefined && heads.needs === "weights" ? heads : undefined,
      layers: spec.dropLowest !== undefined,
    },
    { seed: spec.seed, ...(signal === undefined ? {} : { signal }) },
  );
}

/** Layers that go, ascending. */
async function layersToDrop(
  layers: readonly PrunableLayer[],
  spec: Compression,
  calibration: Calibration,
  { layers: scores }: Scores,
): Promise<number[]> {
  const { layers: span } = spec;
  const { depth } = pruningTargets(spec);
  if (span === undefined) {
    const kept = chooseLayers(layers.length, depth, scores);
    return layers.map((_, index) => index).filter((index) => !kept.includes(index));
  }
  const distances = await calibration.distances(span);
  let first = 0;
  for (let layer = 1; layer < distances.length; layer++) {
    if ((distances[layer] as number) < (distances[first] as number)) first = layer;
  }
  return Array.from({ length: span }, (_, i) => first + i);
}

/** Sizes with a width of its own for each layer. */
async function allocated(
  source: Checkpoint,
  model: PruningModel,
  spec: Compression,
  sizes: PruningSizes,
  dropped: readonly number[],
  calibration: Calibration,
  signal: AbortSignal | undefined,
): Promise<PruningSizes> {
  const { neurons } = sizes;
  const scorer = scorersOf(spec).neurons;
  if (neurons === undefined) return sizes;
  if (scorer.needs !== "activations" || scorer.gram) {
    throw new PruningError(
      `the score ${scorer.name} does not compare neurons of different layers`,
      "take obd, wifv, wanda-sp or minitron with a global allocation",
    );
  }
  const kept = model.layers.map((_, index) => index).filter((index) => !dropped.includes(index));
  const walk = await calibration.walk(dropped);
  try {
    const total = kept.reduce((sum, index) => sum + (neurons.after[index] ?? 0), 0);
    const widths = await allocateWidths(source, walk, model.layers, scorer, {
      total,
      divisor: neurons.divisor,
      signal,
    });
    const after = neurons.after.map((width, index) =>
      kept.includes(index) ? (widths[index] ?? width) : width,
    );
    const range = kept.map((index) => after[index] ?? 0);
    const note = `layers keep ${Math.min(...range)} to ${Math.max(...range)} neurons: config.json lists the widths, which vlmopt reads and stock transformers does not`;
    return { ...sizes, neurons: { ...neurons, after }, notes: [...sizes.notes, note] };
  } finally {
    await walk.release();
  }
}
