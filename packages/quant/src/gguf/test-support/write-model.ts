import { expectedTensors } from "@vlmopt/models";
import { fromFloat32, writeCheckpoint } from "@vlmopt/tensor-io";
import { bell } from "../../test-support/inputs.ts";

/** A small LLaVA whose text model has lost one head of four. */
export function llavaConfig() {
  return {
    model_type: "llava",
    vision_feature_layer: -2,
    vision_feature_select_strategy: "default",
    text_config: {
      model_type: "mistral",
      vocab_size: 64,
      hidden_size: 256,
      intermediate_size: 512,
      num_hidden_layers: 2,
      num_attention_heads: 3,
      num_key_value_heads: 3,
      head_dim: 64,
      max_position_embeddings: 512,
      rms_norm_eps: 1e-5,
      rope_parameters: { rope_type: "default", rope_theta: 50_000 },
    },
    vision_config: {
      model_type: "clip_vision_model",
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 3,
      num_attention_heads: 4,
      image_size: 28,
      patch_size: 14,
    },
  };
}

/**
 * Writes a checkpoint of that configuration, its weights a bell's, into a folder.
 * @param odd takes the place of the fourth weight of the embedding, where it is given
 */
export async function writeModel(folder: string, config: object, odd?: number): Promise<string> {
  const tensors = expectedTensors(config, "F32").map((tensor, i) => {
    const weights = bell(
      tensor.shape.reduce((product, size) => product * size, 1),
      i,
    );
    if (odd !== undefined && tensor.name.endsWith("embed_tokens.weight")) weights[3] = odd;
    return { ...tensor, bytes: fromFloat32(weights, "F32") };
  });
  await writeCheckpoint(tensors, folder, { files: { "config.json": JSON.stringify(config) } });
  return folder;
}
