// Which of a checkpoint's files hold its weights, wherever the files are.
import { CheckpointError } from "../errors.ts";
import { INDEX_NAME, WEIGHTS_NAME } from "../format/shard-index.ts";
import type { ByteSource } from "../source/byte-source.ts";

/**
 * The index that says which files hold the weights, or the file that holds all of them.
 * @param names of all files of a folder
 * @throws {CheckpointError} `no-checkpoint` where there is none of either, or there are several files and no index
 */
export function weightFile(
  names: readonly string[],
  location: string,
): { readonly index: string } | { readonly only: string } {
  const indexes = names.filter((name) => name.endsWith(".safetensors.index.json")).sort();
  const index = indexes.includes(INDEX_NAME) ? INDEX_NAME : indexes[0];
  if (index !== undefined) return { index };
  const weights = names.filter((name) => name.endsWith(".safetensors")).sort();
  const only = weights.includes(WEIGHTS_NAME) ? WEIGHTS_NAME : weights.length === 1 ? weights[0] : undefined;
  if (only !== undefined) return { only };
  const gguf = names.find((name) => name.endsWith(".gguf"));
  if (weights.length === 0 && gguf !== undefined) {
    throw new CheckpointError(
      "no-checkpoint",
      `there is no .safetensors file, but ${gguf}, which llama.cpp runs`,
      { file: location, hint: "use the safetensors checkpoint that it was made of" },
    );
  }
  throw new CheckpointError(
    "no-checkpoint",
    weights.length === 0
      ? "there is no .safetensors file and no index"
      : `there are ${weights.length} .safetensors files and no index that says how they belong together`,
    weights.length === 0
      ? { file: location }
      : { file: location, hint: `open one of them by itself, such as ${weights[0]}` },
  );
}

export function missingShard(index: string, shard: string, tensor: string): CheckpointError {
  return new CheckpointError("missing-shard", `the index names the file ${shard}, which is not there`, {
    file: index,
    tensor,
    hint: "the download may be incomplete",
  });
}

/** Opens every shard of the map, in the order of their names; `tensor` is one that it holds. Where one fails, closes the others. */
export async function openShards(
  weightMap: ReadonlyMap<string, string>,
  open: (shard: string, tensor: string) => Promise<ByteSource>,
): Promise<ByteSource[]> {
  const tensorByShard = new Map([...weightMap].map(([tensor, shard]) => [shard, tensor]));
  const shards = [...tensorByShard].sort(([a], [b]) => (a < b ? -1 : 1));
  const results = await Promise.allSettled(shards.map(([shard, tensor]) => open(shard, tensor)));
  const failed = results.find((result) => result.status === "rejected");
  const sources = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  if (failed === undefined) return sources;
  await Promise.all(sources.map((source) => source.close()));
  throw failed.reason;
}
