import { readFileSync } from "node:fs";
import { expectedTensors } from "@vlmopt/models";
import { elementCount, fromFloat32, writeCheckpoint } from "@vlmopt/tensor-io";
import { bell } from "./inputs.ts";

/** Sizes that fill groups of 128, and the words and vectors of every kernel; those of fixtures/checkpoints do not. */
const sizes = {
  hidden_size: 128,
  intermediate_size: 256,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
};

interface Config {
  readonly text_config?: object;
  readonly vision_config?: object;
  readonly rope_parameters?: { readonly mrope_section?: unknown };
}

/** Writes a checkpoint like that of fixtures/checkpoints, with a wider language model of arbitrary weights in BF16. */
export async function writeWideCheckpoint(
  model: "llama" | "llava" | "qwen2-vl",
  place: string,
): Promise<void> {
  const folder = new URL(`../../../../fixtures/checkpoints/${model}/`, import.meta.url);
  const fixture = JSON.parse(readFileSync(new URL("config.json", folder), "utf8")) as Config;
  const config = model === "llama" ? { ...fixture, ...sizes } : withText(fixture, model === "qwen2-vl");
  const tensors = expectedTensors(config).map(({ name, shape }, seed) => {
    const isNorm = name.includes("norm");
    const values = bell(elementCount(shape), seed).map((value) => (isNorm ? 1 + value / 10 : value / 10));
    return { name, dtype: "BF16" as const, shape, bytes: fromFloat32(values, "BF16") };
  });
  await writeCheckpoint(tensors, place, { files: { "config.json": JSON.stringify(config) } });
}

function withText(config: Config, joinsVisionByWidth: boolean): object {
  const text = config.text_config as Config;
  const rope = text.rope_parameters;
  const sections = rope?.mrope_section === undefined ? rope : { ...rope, mrope_section: [4, 6, 6] };
  // Whole numbers lose their decimal point in JSON, and transformers wants it here.
  const { initializer_factor: _, ...vision } = config.vision_config as { initializer_factor?: number };
  return {
    ...config,
    text_config: { ...text, ...sizes, rope_parameters: sections },
    vision_config: { ...vision, ...(joinsVisionByWidth ? { hidden_size: sizes.hidden_size } : {}) },
  };
}
