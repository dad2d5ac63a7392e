// A synthetic checkpoint with the tensor list of LLaVA-1.5-7B's language model, cut to some layers, in bf16.
import { byteLengthOf, writeCheckpoint } from "@vlmopt/tensor-io";

const hidden = 4096;
const intermediate = 11008;
const vocabulary = 32064;

function tensorList(layers) {
  const tensors = [
    ["language_model.model.embed_tokens.weight", [vocabulary, hidden]],
    ["language_model.model.norm.weight", [hidden]],
    ["language_model.lm_head.weight", [vocabulary, hidden]],
    ["multi_modal_projector.linear_1.weight", [hidden, 1024]],
    ["multi_modal_projector.linear_1.bias", [hidden]],
    ["multi_modal_projector.linear_2.weight", [hidden, hidden]],
    ["multi_modal_projector.linear_2.bias", [hidden]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `language_model.model.layers.${layer}`;
    for (const name of ["q", "k", "v", "o"])
      tensors.push([`${prefix}.self_attn.${name}_proj.weight`, [hidden, hidden]]);
    tensors.push([`${prefix}.mlp.gate_proj.weight`, [intermediate, hidden]]);
    tensors.push([`${prefix}.mlp.up_proj.weight`, [intermediate, hidden]]);
    tensors.push([`${prefix}.mlp.down_proj.weight`, [hidden, intermediate]]);
    tensors.push([`${prefix}.input_layernorm.weight`, [hidden]]);
    tensors.push([`${prefix}.post_attention_layernorm.weight`, [hidden]]);
  }
  return tensors.map(([name, shape]) => ({ name, dtype: "BF16", shape }));
}

/** LLaVA-1.5-7B's config.json, cut to `layers` layers; the vision tower is left out of weights and counts alike. */
function config(layers) {
  return {
    model_type: "llava",
    architectures: ["LlavaForConditionalGeneration"],
    text_config: {
      model_type: "llama",
      hidden_size: hidden,
      intermediate_size: intermediate,
      num_hidden_layers: layers,
      num_attention_heads: 32,
      num_key_value_heads: 32,
      vocab_size: vocabulary,
    },
  };
}

/** Gaussian bf16 bits of standard deviation 0.02, from a fixed linear congruential generator. */
function gaussianBf16(count) {
  const floats = new Float32Array(count);
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  for (let i = 0; i < count; i += 2) {
    const radius = 0.02 * Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    floats[i] = radius * Math.cos(angle);
    floats[i + 1] = radius * Math.sin(angle);
  }
  const bits = new Uint32Array(floats.buffer);
  return Uint16Array.from(bits, (pattern) => pattern >>> 16);
}

/** Writes the checkpoint into `folder` and returns the bytes of its tensors. */
export async function makeLlavaShapes(folder, { layers, shardSize }) {
  const tensors = tensorList(layers);
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
    shardSize,
    files: { "config.json": `${JSON.stringify(config(layers), null, 2)}\n` },
  });
  return tensorBytes;
}
