import { type ConfigReader, readConfig } from "./config-reader.ts";

type Json = Readonly<Record<string, unknown>>;

const clipLarge: Json = {
  model_type: "clip_vision_model",
  intermediate_size: 4096,
  hidden_size: 1024,
  patch_size: 14,
  image_size: 336,
  num_hidden_layers: 24,
  num_attention_heads: 16,
};
const llavaParts = { vision_config: clipLarge };
const ideficsParts = { text_config: { model_type: "llama", rms_norm_eps: 1e-5 } };

/** Parts that stand for those that are missing or null as a whole, of families where they are not their classes' defaults. */
const partsByType: Readonly<Record<string, Json>> = {
  llava: llavaParts,
  llava_next: llavaParts,
  idefics3: ideficsParts,
  smolvlm: ideficsParts,
  paligemma: {
    vision_config: {
      ...clipLarge,
      model_type: "siglip_vision_model",
      hidden_size: 1152,
      image_size: 224,
      num_hidden_layers: 27,
    },
    text_config: {
      model_type: "gemma",
      hidden_size: 2048,
      num_hidden_layers: 18,
      intermediate_size: 16_384,
      num_attention_heads: 8,
      num_key_value_heads: 1,
      vocab_size: 257_152,
    },
  },
};

/**
 * A model's configuration, its parts filled in.
 * @throws {ConfigError} where it is no object
 */
export function readModelConfig(config: unknown): ConfigReader {
  const reader = readConfig(config);
  if (!reader.has("model_type")) return reader;
  const parts = partsByType[reader.text("model_type")] ?? {};
  const missing = Object.entries(parts).filter(([key]) => !reader.has(key));
  return missing.length === 0 ? reader : readConfig({ ...(config as Json), ...Object.fromEntries(missing) });
}
