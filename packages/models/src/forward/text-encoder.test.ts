import { ConfigError, clipForward, gpt2Forward, textEncoder } from "@vlmopt/models";
import type { TensorSpec } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";

const table = "deberta.embeddings.word_embeddings.weight";
const tensors = new Map<string, TensorSpec>([[table, { name: table, dtype: "F32", shape: [96, 32] }]]);
const second = { model_type: "deberta-v2", hidden_size: 32, num_attention_heads: 4, num_hidden_layers: 3 };

// What encoders compute is tested where they run, in @vlmopt/engine.
describe("text encoders", () => {
  it("are cut after a layer that they have", () => {
    const encoder = textEncoder(second, tensors);
    expect(encoder).toMatchObject({ layers: 3, hiddenSize: 32, maxTokens: 512 });
    expect(() => encoder.pass(4)).toThrow(new RangeError("layer 4 was asked of an encoder of 3"));
    expect(() => encoder.pass(1.5)).toThrow(RangeError);
  });

  it("take distances from both ends of what DeBERTa tells apart", () => {
    const encoder = textEncoder({ ...second, relative_attention: true, position_buckets: 4 }, tensors);
    const { distances, rows } = encoder.inputsOf([[2, 5, 3]]);
    // Distances from −2 to 2 are rows 2 to 6 of the 8.
    expect([...(distances?.data ?? [])]).toEqual([2, 3, 4, 5, 6]);
    expect([...(rows?.data ?? [])]).toEqual([2, 1, 0, 3, 2, 1, 4, 3, 2]);
  });

  it.each([
    [{ ...second, model_type: "deberta", talking_head: true }, "talking_head"],
    [{ ...second, conv_kernel_size: 3, conv_groups: 2 }, "conv_groups"],
    [{ ...second, conv_kernel_size: 2 }, "conv_kernel_size"],
    [{ ...second, hidden_act: "sine" }, 'hidden_act "sine" is not known'],
    [{ ...second, model_type: "t5" }, 'model_type "t5" is no encoder; known are bert, '],
  ])("refuse what they do not know: %j", (config, message) => {
    expect(() => textEncoder(config, tensors)).toThrow(ConfigError);
    expect(() => textEncoder(config, tensors)).toThrow(message);
  });

  it("refuse weights that are another model's", () => {
    expect(() => textEncoder(second, new Map())).toThrow("there are no embeddings of a deberta-v2");
    expect(() => gpt2Forward({ model_type: "gpt2" }, tensors)).toThrow("there are no embeddings of a gpt2");
    expect(() => gpt2Forward({ model_type: "llama" }, tensors)).toThrow('model_type "llama" is no gpt2');
    expect(() => clipForward({ model_type: "siglip" }, tensors)).toThrow('model_type "siglip" is no clip');
  });
});
