import type { Activations, InputStatistics, ReplacedTensor, Replacements } from "@vlmopt/models";
import { type PrunableLayer, type PrunableLinear, PruningError, refit } from "@vlmopt/pruning";
import { encodeMatrix, type Format, formatNamed, type Scheme } from "@vlmopt/quant";
import { tensorNamed } from "@vlmopt/tensor-io";
import { inputsOf, linearsOf, withSharedMagnitude } from "./block-linears.ts";
import type { LinearReport } from "./calibration.ts";
import type { BlockContext } from "./compress-block.ts";
import type { QuantizationMethod, RoundedLinear } from "./methods/quantization-method.ts";
import { outputError } from "./output-error.ts";
import { withScaledInputs } from "./scale-inputs.ts";
import { asStored, readFloats } from "./stored-matrix.ts";

/** How linears are quantized while a model is walked through. */
export interface BlockQuantization {
  readonly method: QuantizationMethod;
  /** Of a weight of this shape; undefined leaves it as it is. */
  schemeOf(name: string, shape: readonly number[]): Scheme | undefined;
  readonly formats?: readonly Format[] | undefined;
}

/** A weight as its format stores it. */
export interface PackedWeight {
  readonly scheme: Scheme;
  /** Of the format's outputs that are not constant. */
  readonly parts: readonly Uint8Array[];
  /** Σ (weight − decoded)² / Σ weight². */
  readonly error: number;
}

export interface QuantizedBlock {
  /** Of the block as the walk goes on with it, those that were given among them. */
  readonly replacements: Replacements;
  /** Tensors whose weights are new. */
  readonly repaired: readonly string[];
  /** By name. */
  readonly packed: ReadonlyMap<string, PackedWeight>;
  readonly linears: readonly LinearReport[];
  readonly notes: readonly string[];
}

/** The residual stream's share in what the last linear is fitted to, by the kind of the block. */
const SHARES = { attention: 0.5, mlp: 0.5 } as const;
/** Pull towards the weights before, as a share of the inputs' mean square: GPTQ's damping, so that both minimise one sum. */
const PULL = 0.01;
/**
 * Rounds a block's linears in the order in which it computes: those that read the stream, then, on what these give now, the last one, fitted to
 * what the stream lacks of the dense model's first.
 * @param replaced what pruning made of the block
 */
export async function quantizeBlock(
  context: BlockContext,
  layer: PrunableLayer,
  kind: "attention" | "mlp",
  replaced: Replacements,
  quantization: BlockQuantization,
): Promise<QuantizedBlock> {
  const { walk, source, signal } = context;
  const { method } = quantization;
  const [reading, last] = linearsOf(layer.attention, layer.mlp, kind);
  const roundable = async (linears: readonly PrunableLinear[], replacements: Replacements) => {
    const chosen: RoundedLinear[] = [];
    for (const { weight: name } of linears) {
      const { shape, data } = await weightOf(context, name, replacements);
      const scheme = quantization.schemeOf(name, shape);
      if (scheme === undefined) continue;
      const format = formatNamed(scheme.format, quantization.formats);
      const tensor = { name, dtype: tensorNamed(source, name).dtype, shape };
      chosen.push({ tensor, data, scheme, format, magnitude: undefined });
    }
    return chosen;
  };
  const scaled =
    method.scaleInputs === undefined
      ? replaced
      : await withScaledInputs(context, layer, kind, replaced, method.scaleInputs, roundable);
  let block: QuantizedBlock = {
    replacements: scaled,
    repaired: [...scaled.keys()].filter((name) => scaled.get(name) !== replaced.get(name)),
    packed: new Map(),
    linears: [],
    notes: [],
  };
  for (const step of [reading, [last]]) {
    const isLast = step[0] === last;
    const fits = isLast && method.refit && context.refit && last.bias === undefined;
    const chosen = await roundable(step, block.replacements);
    if (chosen.length === 0 && !(fits && block.packed.size > 0)) continue;
    signal?.throwIfAborted();
    const { inputs, target } = await walk.observe(
      {
        gram: method.gram ? step.map(({ weight }) => weight) : [],
        ...(fits ? { target: SHARES[kind] } : {}),
      },
      block.replacements,
    );
    const plain = await rounded(context, method, chosen, inputs, block);
    if (target === undefined) {
      block = plain;
      continue;
    }
    const { shape, data } = await weightOf(context, last.weight, block.replacements);
    const { weight } = await refit(
      {
        name: last.weight,
        weight: data,
        outFeatures: shape[0] ?? 1,
        inputs: inputsOf(inputs, last.weight),
        target,
        lambda: PULL,
      },
      context.algebra,
    );
    const fitted = asStored(source, last.weight, { shape, data: weight });
    const found = await rounded(
      context,
      method,
      chosen.map((linear) => ({ ...linear, data: fitted.data })),
      inputs,
      {
        ...block,
        replacements: new Map([...block.replacements, [last.weight, fitted]]),
        repaired: [...block.repaired, last.weight],
      },
    );
    // A fit to few data may do harm: the better of the two on data held out is kept.
    const [far, near] = [await walk.error(found.replacements), await walk.error(plain.replacements)];
    block = far <= near ? found : plain;
  }
  return block;
}

async function weightOf(
  { source, signal }: BlockContext,
  name: string,
  replacements: Replacements,
): Promise<ReplacedTensor> {
  return (
    replacements.get(name) ?? {
      shape: tensorNamed(source, name).shape,
      data: await readFloats(source, name, signal),
    }
  );
}

/** The block with some of its linears rounded. */
async function rounded(
  { source, algebra }: BlockContext,
  method: QuantizationMethod,
  chosen: readonly RoundedLinear[],
  inputs: Activations,
  before: QuantizedBlock,
): Promise<QuantizedBlock> {
  const replacements = new Map(before.replacements);
  const packed = new Map(before.packed);
  const repaired = new Set(before.repaired);
  const linears = [...before.linears];
  const notes = [...before.notes];
  const groups = new Map<InputStatistics, RoundedLinear[]>();
  for (const linear of chosen) {
    const statistics = inputsOf(inputs, linear.tensor.name);
    groups.set(statistics, [...(groups.get(statistics) ?? []), linear]);
  }
  for (const [statistics, unscaled] of groups) {
    const group = withSharedMagnitude(unscaled);
    const results = await method.round(group, statistics);
    for (const [i, { tensor, data, scheme, format, magnitude }] of group.entries()) {
      const { name, shape } = tensor;
      const result = results[i];
      if (result === undefined) throw new PruningError(`${method.name} gave nothing for ${name}`);
      const own = encodeMatrix(format, scheme, tensor, data, { magnitude });
      const nearest = await outputError(data, own.decoded, statistics, algebra);
      const error = await outputError(data, result.decoded, statistics, algebra);
      // What only looks better is not taken.
      const isBetter = error <= nearest;
      const { parts, decoded } = isBetter ? result : own;
      if (result.note !== undefined) notes.push(result.note);
      packed.set(name, { scheme, parts, error: relativeError(data, decoded) });
      replacements.set(name, asStored(source, name, { shape, data: decoded }));
      repaired.add(name);
      linears.push({
        name,
        method: isBetter ? method.name : "rtn",
        nearest,
        error: isBetter ? error : nearest,
      });
    }
  }
  return { replacements, repaired: [...repaired], packed, linears, notes };
}

function relativeError(weight: Float32Array, decoded: Float32Array): number {
  let [error, energy] = [0, 0];
  for (let i = 0; i < weight.length; i++) {
    const w = weight[i] as number;
    error += (w - (decoded[i] as number)) ** 2;
    energy += w * w;
  }
  return energy > 0 ? error / energy : 0;
}
