import type { InputStatistics, LinearAlgebra, ReplacedTensor, Replacements } from "@vlmopt/models";
import {
  linearAlgebra,
  neuronLinears,
  type PrunableLayer,
  type PrunableLinear,
  PruningError,
  refit,
} from "@vlmopt/pruning";
import { encodeMatrix, type Format, formatNamed, type Scheme } from "@vlmopt/quant";
import { tensorNamed } from "@vlmopt/tensor-io";
import type { LinearReport } from "./calibration.ts";
import type { BlockContext } from "./compress-block.ts";
import type { QuantizationMethod, RoundedLinear } from "./methods/quantization-method.ts";
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
/** Rows whose error is measured. */
const MEASURED_ROWS = 256;

/**
 * Rounds a block's linears in the order in which it computes: those that read the stream, then, on what these give now, the last one, fitted to
 * what the stream lacks of the dense model's first.
 * @param replaced what pruning made of the block
 */
export async function quantizeBlock(
  context: BlockContext,
  { attention, mlp }: PrunableLayer,
  kind: "attention" | "mlp",
  replaced: Replacements,
  quantization: BlockQuantization,
): Promise<QuantizedBlock> {
  const { walk, source } = context;
  const current = new Map(replaced);
  const packed = new Map<string, PackedWeight>();
  const repaired = new Set<string>();
  const linears: LinearReport[] = [];
  const notes: string[] = [];
  const [reading, last] = linearsOf(attention, mlp, kind);
  const weightOf = async (name: string): Promise<ReplacedTensor> =>
    current.get(name) ?? {
      shape: tensorNamed(source, name).shape,
      data: await readFloats(source, name, context.signal),
    };
  const { method } = quantization;
  for (const step of [reading, [last]]) {
    const isLast = step[0] === last;
    const chosen = step.filter(({ weight }) => schemeOf(weight) !== undefined);
    if (chosen.length === 0 && !(isLast && packed.size > 0 && method.refit)) continue;
    context.signal?.throwIfAborted();
    const fits = isLast && method.refit && context.refit && last.bias === undefined;
    const { inputs, target } = await walk.observe(
      {
        gram: method.gram ? step.map(({ weight }) => weight) : [],
        ...(fits ? { target: SHARES[kind] } : {}),
      },
      current,
    );
    if (target !== undefined) {
      const { shape, data } = await weightOf(last.weight);
      const outFeatures = shape[0] ?? 1;
      const found = inputsOf(inputs.get(last.weight), last.weight);
      const { weight } = await refit(
        { name: last.weight, weight: data, outFeatures, inputs: found, target, lambda: PULL },
        context.algebra,
      );
      current.set(last.weight, asStored(source, last.weight, { shape, data: weight }));
      repaired.add(last.weight);
    }
    for (const group of await byInput(chosen)) {
      const statistics = inputsOf(inputs.get(group[0]?.tensor.name ?? ""), group[0]?.tensor.name ?? "");
      const results = await method.round(group, statistics);
      for (const [i, linear] of group.entries()) {
        const { tensor, data, scheme, format, magnitude } = linear;
        const result = results[i];
        if (result === undefined) throw new PruningError(`${method.name} gave nothing for ${tensor.name}`);
        const nearest = encodeMatrix(format, scheme, tensor, data, { magnitude });
        const [before, after] = [
          await outputError(data, nearest.decoded, statistics, context.algebra),
          await outputError(data, result.decoded, statistics, context.algebra),
        ];
        // What only looks better is not taken.
        const { parts, decoded } = after <= before ? result : nearest;
        if (result.note !== undefined) notes.push(result.note);
        packed.set(tensor.name, { scheme, parts, error: relativeError(data, decoded) });
        current.set(tensor.name, asStored(source, tensor.name, { shape: tensor.shape, data: decoded }));
        repaired.add(tensor.name);
        linears.push({
          name: tensor.name,
          method: after <= before ? method.name : "rtn",
          nearest: before,
          error: Math.min(after, before),
        });
      }
    }
    async function byInput(names: readonly PrunableLinear[]): Promise<RoundedLinear[][]> {
      const groups = new Map<InputStatistics | undefined, RoundedLinear[]>();
      for (const { weight: name } of names) {
        const { shape, data } = await weightOf(name);
        const scheme = schemeOf(name, shape) as Scheme;
        const format = formatNamed(scheme.format, quantization.formats);
        const tensor = { name, dtype: tensorNamed(source, name).dtype, shape };
        const key = inputs.get(name);
        groups.set(key, [...(groups.get(key) ?? []), { tensor, data, scheme, format, magnitude: undefined }]);
      }
      return [...groups.values()].map(withSharedMagnitude);
    }
  }
  return { replacements: current, repaired: [...repaired], packed, linears, notes };

  function schemeOf(name: string, shape?: readonly number[]): Scheme | undefined {
    return quantization.schemeOf(name, shape ?? current.get(name)?.shape ?? tensorNamed(source, name).shape);
  }
}

/** Linears that read the block's stream, and the one that adds to it. */
function linearsOf(
  attention: PrunableLayer["attention"],
  mlp: PrunableLayer["mlp"],
  kind: "attention" | "mlp",
): readonly [readonly PrunableLinear[], PrunableLinear] {
  if (kind === "attention" && attention !== undefined)
    return [[attention.qProj, attention.kProj, attention.vProj], attention.oProj];
  if (kind === "mlp" && mlp !== undefined) {
    const { rows, columns } = neuronLinears(mlp);
    if (columns[0] !== undefined) return [rows, columns[0]];
  }
  throw new PruningError(`a layer has no ${kind} whose linears are known`);
}

/** Formats whose matrices share a scale of the whole are told the largest magnitude of all. */
function withSharedMagnitude(linears: RoundedLinear[]): RoundedLinear[] {
  if (linears.length < 2 || !linears.some(({ format }) => format.sharesScales)) return linears;
  let magnitude = 0;
  for (const { data } of linears) for (const value of data) magnitude = Math.max(magnitude, Math.abs(value));
  return linears.map((linear) => ({ ...linear, magnitude }));
}

function inputsOf(found: InputStatistics | undefined, name: string): InputStatistics {
  if (found === undefined) throw new PruningError(`nothing is known of what goes into ${name}`);
  return found;
}

/** Σ ‖(W − Q)·x‖² / Σ ‖W·x‖² over the tokens, of some rows; channels count as independent where their Gram matrix is not known. */
async function outputError(
  weight: Float32Array,
  decoded: Float32Array,
  { gram, meanSquare }: InputStatistics,
  algebra: LinearAlgebra,
): Promise<number> {
  const columns = meanSquare.length;
  const rows = weight.length / columns;
  const count = Math.min(rows, MEASURED_ROWS);
  const some = new Float64Array(2 * count * columns);
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * rows) / count) * columns;
    for (let j = 0; j < columns; j++) {
      const w = weight[row + j] as number;
      some[i * columns + j] = w - (decoded[row + j] as number);
      some[(count + i) * columns + j] = w;
    }
  }
  const products =
    gram &&
    (await (algebra.multiply?.(some, gram, columns) ?? linearAlgebra().multiply(some, gram, columns)));
  const energyOf = (first: number) => {
    let sum = 0;
    for (let i = first * columns; i < (first + count) * columns; i++) {
      const value = some[i] as number;
      sum +=
        value *
        (products === undefined ? value * (meanSquare[i % columns] as number) : (products[i] as number));
    }
    return sum;
  };
  const energy = energyOf(count);
  return energy > 0 ? energyOf(0) / energy : 0;
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
