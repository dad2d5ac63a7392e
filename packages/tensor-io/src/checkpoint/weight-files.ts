// Which of a checkpoint's files hold its weights, wherever the files are.
import { CheckpointError, SourceError } from "../errors.ts";
import { mistakenFile } from "../format/mistaken-file.ts";
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
  const other = weights.length === 0 ? otherFormat(names) : undefined;
  if (other !== undefined) {
    throw new CheckpointError("no-checkpoint", other.message, { file: location, hint: other.hint });
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

/** Weights of other formats, and how they become safetensors. */
const otherFormats: readonly { readonly pattern: RegExp; readonly kind: string; readonly hint: string }[] = [
  {
    pattern: /^consolidated\.\d+\.pth$/,
    kind: "Meta's own files of PyTorch",
    hint: "convert them with transformers' convert_llama_weights_to_hf.py",
  },
  {
    pattern: /^(mm_projector|non_lora_trainables)\.bin$/,
    kind: "a part of the original LLaVA's layout",
    hint: "take the -hf version of the model, or convert it with transformers' convert_llava_weights_to_hf.py",
  },
  {
    pattern: /\.(bin|pt|pth|ckpt)$/,
    kind: "PyTorch's pickled weights",
    hint: "load the folder with transformers' AutoModel.from_pretrained and call save_pretrained, which writes safetensors",
  },
  {
    pattern: /\.(h5|msgpack|onnx|tflite|npz)$/,
    kind: "weights of another framework",
    hint: "take the model's safetensors files",
  },
];

function otherFormat(names: readonly string[]): { message: string; hint: string } | undefined {
  for (const { pattern, kind, hint } of otherFormats) {
    const found = names.find((name) => pattern.test(name));
    if (found !== undefined) {
      return { message: `there is no .safetensors file, but ${found}, which holds ${kind}`, hint };
    }
  }
  return undefined;
}

/** @throws {SourceError} where a file beside the weights is a pointer or a page in its place */
export function assertNotMistaken(bytes: Uint8Array, file: string): void {
  const mistaken = mistakenFile(bytes);
  if (mistaken !== undefined) throw new SourceError(file, mistaken.message, { hint: mistaken.hint });
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
