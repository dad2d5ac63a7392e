import type { BlockNorm, ReplacedTensor, Replacements } from "@vlmopt/models";
import type { PrunableLayer, PrunableLinear } from "@vlmopt/pruning";
import { tensorNamed } from "@vlmopt/tensor-io";
import { inputsOf, linearsOf, withSharedMagnitude } from "./block-linears.ts";
import type { BlockContext } from "./compress-block.ts";
import type { QuantizationMethod, RoundedLinear } from "./methods/quantization-method.ts";
import { asStored, readFloats, scaledColumns } from "./stored-matrix.ts";

/**
 * Multiplies the columns of a block's linears by what the method finds, and divides what gives their inputs: the norm before those that read the
 * stream; v_proj before o_proj, where each of its rows goes to one column; up_proj before down_proj.
 * @param roundable those of these linears that will be rounded
 * @returns the tensors that changed, those that were replaced before among them
 */
export async function withScaledInputs(
  context: BlockContext,
  layer: PrunableLayer,
  kind: "attention" | "mlp",
  replaced: Replacements,
  scaleInputs: NonNullable<QuantizationMethod["scaleInputs"]>,
  roundable: (
    linears: readonly PrunableLinear[],
    replaced: Replacements,
  ) => Promise<readonly RoundedLinear[]>,
): Promise<Replacements> {
  const [reading, last] = linearsOf(layer.attention, layer.mlp, kind);
  const { inputs, norm } = await context.walk.observe(
    { gram: [...reading, last].map(({ weight }) => weight) },
    replaced,
  );
  const found = new Map(replaced);
  const change = async (name: string, by: (tensor: ReplacedTensor) => Float32Array) => {
    const { shape } = found.get(name) ?? tensorNamed(context.source, name);
    const data = found.get(name)?.data ?? (await readFloats(context.source, name, context.signal));
    found.set(name, asStored(context.source, name, { shape, data: by({ shape, data }) }));
  };
  const scalesOf = async (linears: readonly PrunableLinear[]) => {
    const rounded = await roundable(linears, found);
    if (rounded.length === 0) return undefined;
    return scaleInputs(withSharedMagnitude(rounded), inputsOf(inputs, rounded[0]?.tensor.name ?? ""));
  };
  const multiply = async (linears: readonly PrunableLinear[], scales: Float64Array) => {
    for (const { weight } of linears) await change(weight, ({ data }) => scaledColumns(data, scales));
  };
  if (norm !== undefined) {
    const scales = await scalesOf(reading);
    if (scales !== undefined) {
      await multiply(reading, scales);
      await divideNorm(change, norm, scales);
    }
  }
  const before = kind === "attention" ? layer.attention?.vProj : upProjOf(layer);
  const [rows] =
    before === undefined
      ? []
      : (found.get(before.weight) ?? tensorNamed(context.source, before.weight)).shape;
  const [, columns] = (found.get(last.weight) ?? tensorNamed(context.source, last.weight)).shape;
  if (before !== undefined && rows === columns) {
    const scales = await scalesOf([last]);
    if (scales !== undefined) {
      await multiply([last], scales);
      for (const name of [before.weight, ...(before.bias === undefined ? [] : [before.bias])])
        await change(name, ({ data, shape }) => dividedRows(data, shape[0] ?? 1, scales));
    }
  }
  return found;
}

async function divideNorm(
  change: (name: string, by: (tensor: ReplacedTensor) => Float32Array) => Promise<void>,
  { weight, bias, offset }: BlockNorm,
  scales: Float64Array,
): Promise<void> {
  await change(weight, ({ data }) => data.map((gain, i) => (gain + offset) / (scales[i] as number) - offset));
  if (bias !== undefined)
    await change(bias, ({ data }) => data.map((value, i) => value / (scales[i] as number)));
}

function dividedRows(data: Float32Array, rows: number, scales: Float64Array): Float32Array {
  const columns = data.length / rows;
  return data.map((value, i) => value / (scales[Math.floor(i / columns)] as number));
}

/** Behind it comes a product, which takes factors as they are; behind fc1 comes an activation. */
function upProjOf({ mlp }: PrunableLayer): PrunableLinear | undefined {
  return mlp?.kind === "gated" ? mlp.upProj : undefined;
}
