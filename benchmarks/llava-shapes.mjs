// A synthetic checkpoint with the tensor list of LLaVA-1.5-7B, its language model cut to some layers, in bf16.
import { expectedTensors } from "@vlmopt/models";
import { byteLengthOf, writeCheckpoint } from "@vlmopt/tensor-io";

/** LLaVA-1.5-7B's config.json, with `layers` layers instead of 32. */
export const llavaConfig = (layers) => ({
  architectures: ["LlavaForConditionalGeneration"],
  model_type: "llava",
  image_token_index: 32000,
  text_config: {
    model_type: "llama",
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: layers,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    vocab_size: 32064,
  },
  vision_config: {
    model_type: "clip_vision_model",
    hidden_size: 1024,
    image_size: 336,
    intermediate_size: 4096,
    num_attention_heads: 16,
    num_hidden_layers: 24,
    patch_size: 14,
    projection_dim: 768,
  },
});

/** Numbers from 0 to 1, from a linear congruential generator. */
export function uniformNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

/** So many numbers, an even count, the same each time. */
export function gaussianNumbers(count, deviation) {
  const numbers = new Float32Array(count);
  const uniform = uniformNumbers(1);
  for (let i = 0; i < count; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    numbers[i] = radius * Math.cos(angle);
    numbers[i + 1] = radius * Math.sin(angle);
  }
  return numbers;
}

/** Gaussian bf16 bits of standard deviation 0.02. */
function gaussianBf16(count) {
  const bits = new Uint32Array(gaussianNumbers(count, 0.02).buffer);
  return Uint16Array.from(bits, (pattern) => pattern >>> 16);
}

/** Writes the checkpoint into `folder` and returns the bytes of its tensors. */
export async function makeLlavaShapes(folder, { layers, shardSize }) {
  return makeShapes(folder, llavaConfig(layers), { shardSize });
}

/** Writes a checkpoint of random weights in bf16 for any configuration into `folder`, and returns the bytes of its tensors. */
export async function makeShapes(folder, modelConfig, { shardSize } = {}) {
  const tensors = expectedTensors(modelConfig);
  const sizes = tensors.map(({ dtype, shape }) => byteLengthOf(dtype, shape));
  const sample = gaussianBf16(2 ** 22);
  // Every tensor is a part of one long array, each from another place, so that making 14 GB needs little memory.
  const tape = new Uint8Array(Math.max(...sizes) + tensors.length * 128);
  for (let offset = 0; offset < tape.length; offset += sample.byteLength) {
    tape.set(new Uint8Array(sample.buffer, 0, Math.min(sample.byteLength, tape.length - offset)), offset);
  }
  const literals = tensors.map((tensor, i) => ({
    ...tensor,
    bytes: tape.subarray(i * 128, i * 128 + sizes[i]),
  }));
  const { tensorBytes } = await writeCheckpoint(literals, folder, {
    ...(shardSize === undefined ? {} : { shardSize }),
    files: { "config.json": `${JSON.stringify(modelConfig, null, 2)}\n` },
  });
  return tensorBytes;
}
