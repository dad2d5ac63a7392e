// Checkpoints of random weights on disk: LLaVA-1.5-7B, its language model cut to some layers, or any other configuration, in bf16.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { randomCheckpoint } from "@vlmopt/bench";
import { rewriteCheckpoint } from "@vlmopt/tensor-io";

/** LLaVA-1.5-7B's config.json, with `layers` layers instead of 32. */
export function llavaConfig(layers) {
  const path = join(import.meta.dirname, "configs/llava-1.5-7b.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  return { ...config, text_config: { ...config.text_config, num_hidden_layers: layers } };
}

/** Writes the checkpoint into `folder` and returns the bytes of its tensors. */
export async function makeLlavaShapes(folder, { layers, shardSize }) {
  return makeShapes(folder, llavaConfig(layers), { shardSize });
}

/** Writes a checkpoint of random weights in bf16 for any configuration into `folder`, and returns the bytes of its tensors. */
export async function makeShapes(folder, modelConfig, { shardSize } = {}) {
  const { tensorBytes } = await rewriteCheckpoint(randomCheckpoint(modelConfig, "bf16"), undefined, folder, {
    ...(shardSize === undefined ? {} : { shardSize }),
    files: { "config.json": `${JSON.stringify(modelConfig, null, 2)}\n` },
  });
  return tensorBytes;
}
