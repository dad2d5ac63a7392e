import { memorySink, memorySource } from "@vlmopt/tensor-io";
import { encodeGgml } from "../gguf/ggml-type.ts";
import { ggufCheckpoint } from "../gguf/gguf-checkpoint.ts";
import { GgufError } from "../gguf/gguf-error.ts";
import { float32s, int32s, type MetadataValue, text, texts, uint32 } from "../gguf/metadata.ts";
import { type GgufTensor, writeGguf } from "../gguf/write-gguf.ts";

/** A whole text model of one layer, in some 4 KB, to be damaged. */
export async function smallModel(): Promise<Uint8Array> {
  const shapes: Record<string, number[]> = {
    "token_embd.weight": [8, 32],
    "output_norm.weight": [32],
    "rope_freqs.weight": [8],
    "blk.0.attn_norm.weight": [32],
    "blk.0.ffn_norm.weight": [32],
    "blk.0.attn_q.weight": [32, 32],
    "blk.0.attn_k.weight": [16, 32],
    "blk.0.attn_v.weight": [16, 32],
    "blk.0.attn_output.weight": [32, 32],
    "blk.0.ffn_gate.weight": [32, 32],
    "blk.0.ffn_up.weight": [32, 32],
    "blk.0.ffn_down.weight": [32, 32],
  };
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", text("llama")],
    ["llama.block_count", uint32(1)],
    ["llama.context_length", uint32(64)],
    ["llama.feed_forward_length", uint32(32)],
    ["llama.attention.head_count", uint32(2)],
    ["llama.attention.head_count_kv", uint32(1)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-5 }],
    ["tokenizer.ggml.model", text("llama")],
    ["tokenizer.ggml.tokens", texts(["<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab"])],
    ["tokenizer.ggml.scores", float32s([0, 0, 0, -1, -2, -3, -4, -5])],
    ["tokenizer.ggml.token_type", int32s([2, 3, 3, 1, 1, 1, 1, 1])],
    ["tokenizer.ggml.bos_token_id", uint32(1)],
  ]);
  const tensors = Object.entries(shapes).map(([name, shape]): GgufTensor => {
    const type = shape.length === 2 ? "Q4_0" : "F32";
    const weights = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1);
    return { name, type, shape, bytes: () => [encodeGgml(type, weights)] };
  });
  const sink = memorySink();
  await writeGguf({ metadata, tensors }, sink);
  return sink.files.get("model.gguf") as Uint8Array;
}

/** The file with a few bytes of its header changed, taken out or put in, or with its end cut. */
export function damaged(file: Uint8Array, seed: number): Uint8Array {
  let state = (seed * 2654435761 + 1) >>> 0;
  const below = (count: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  let bytes = file.slice();
  for (let changes = 1 + below(3); changes > 0; changes--) {
    const at = below(Math.min(bytes.length, 1800));
    switch (below(4)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1 + below(8))]);
        break;
      case 2:
        bytes = Uint8Array.from([...bytes.subarray(0, at), below(256), ...bytes.subarray(at)]);
        break;
      default:
        bytes = bytes.slice(0, bytes.length - below(bytes.length));
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

/**
 * Opens a file that may be broken in any way: it is refused in one sentence that names it, or is a checkpoint whose files beside the weights can be
 * read or are refused likewise.
 * @returns whether it was opened
 */
export async function opens(bytes: Uint8Array): Promise<boolean> {
  try {
    await using checkpoint = await ggufCheckpoint([memorySource(bytes, "damaged.gguf")]);
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
      await checkpoint.readSibling(name);
    for (const { offset, byteLength, file } of checkpoint.tensors.values())
      await checkpoint.sources.get(file)?.read(offset, byteLength);
    return true;
  } catch (error) {
    if (error instanceof GgufError && error.message.startsWith("damaged.gguf: ")) return false;
    throw error;
  }
}
