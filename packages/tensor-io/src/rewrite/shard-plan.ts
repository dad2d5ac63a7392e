import { byteLengthOf } from "../dtype.ts";
import { compareUtf8, type Layout, layoutFile } from "../format/layout.ts";
import { formatShardIndex, WEIGHTS_NAME } from "../format/shard-index.ts";
import type { TensorSpec } from "../tensor-info.ts";

/** The files of an output checkpoint, laid out before a byte of any tensor is read. */
export interface ShardPlan {
  /** By file name. */
  readonly layouts: ReadonlyMap<string, Layout>;
  /** Text of `model.safetensors.index.json`; undefined where one file holds all. */
  readonly index: string | undefined;
}

/**
 * Fills shards up to `shardSize` bytes of tensors each (a larger tensor gets a shard of its own) and names them as `save_pretrained`
 * does. Tensors come by name with numbers counted (layer 2 before layer 10), whatever files they came from: layers stay together,
 * and rewriting what was written changes nothing.
 */
export function planShards(
  tensors: readonly TensorSpec[],
  shardSize: number,
  metadata: Readonly<Record<string, string>>,
): ShardPlan {
  const shards: TensorSpec[][] = [];
  let filled = 0;
  let totalSize = 0;
  for (const tensor of inLayerOrder(tensors)) {
    const bytes = byteLengthOf(tensor.dtype, tensor.shape);
    if (shards.length === 0 || filled + bytes > shardSize) {
      shards.push([]);
      filled = 0;
    }
    shards.at(-1)?.push(tensor);
    filled += bytes;
    totalSize += bytes;
  }
  if (shards.length === 0) shards.push([]);
  const name = (i: number) =>
    shards.length === 1 ? WEIGHTS_NAME : `model-${five(i + 1)}-of-${five(shards.length)}.safetensors`;
  const layouts = new Map(shards.map((shard, i) => [name(i), layoutFile(shard, metadata, name(i))]));
  if (shards.length === 1) return { layouts, index: undefined };
  const weightMap = new Map(
    shards.flatMap((shard, i) => shard.map((tensor) => [tensor.name, name(i)] as const)),
  );
  return { layouts, index: formatShardIndex(weightMap, totalSize) };
}

function inLayerOrder(tensors: readonly TensorSpec[]): TensorSpec[] {
  const keyed = tensors.map((tensor) => ({
    tensor,
    key: tensor.name.replaceAll(/\d+/g, (digits) => digits.padStart(10, "0")),
  }));
  keyed.sort((a, b) => compareUtf8(a.key, b.key) || compareUtf8(a.tensor.name, b.tensor.name));
  return keyed.map(({ tensor }) => tensor);
}

function five(count: number): string {
  return String(count).padStart(5, "0");
}
