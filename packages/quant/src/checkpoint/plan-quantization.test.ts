import { describeModel, expectedTensors } from "@vlmopt/models";
import {
  planQuantization,
  QuantizationError,
  type QuantizationRequest,
  quantization,
  schemeNamed,
  schemesNamed,
} from "@vlmopt/quant";
import { describe, expect, it } from "vitest";
import { compressedTensors } from "../formats/compressed-tensors.ts";
import { openFixture } from "../test-support/fixture.ts";

async function planOf(model: string, request: QuantizationRequest) {
  const { checkpoint, description } = await openFixture(model);
  return planQuantization(description, checkpoint.tensors, request);
}

/** LLaVA-1.5-7B, from the sizes in its config.json. */
const llava7b = {
  model_type: "llava",
  text_config: { model_type: "llama", vocab_size: 32064, max_position_embeddings: 4096 },
  vision_config: {
    model_type: "clip_vision_model",
    hidden_size: 1024,
    intermediate_size: 4096,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    image_size: 336,
    patch_size: 14,
  },
};

function planOf7b(scheme: string) {
  const tensors = new Map(expectedTensors(llava7b).map((tensor) => [tensor.name, tensor]));
  return planQuantization(describeModel(llava7b, tensors), tensors, { scheme: schemeNamed(scheme) });
}

describe("a quantization plan", () => {
  it("quantizes the 224 linears of LLaVA-1.5-7B's language model and nothing else", () => {
    const { groups, kept } = planOf7b("int4-g128");
    expect(groups.map(({ tensors }) => tensors.length)).toEqual([7 * 32]);
    expect(Object.fromEntries(kept.map(({ reason, tensors }) => [reason, tensors.length]))).toEqual({
      "the vision tower stays as it is": 24 * 6,
      "the projector stays as it is": 2,
      "the lmHead stays as it is": 1,
    });
  });

  it.each([
    // 4 bits, and one scale for each group: of 16 bits; of 32; of 8 and 32 for each 256 of them.
    ["int4-g128", 4 + 16 / 128],
    ["int4-g32", 4 + 16 / 32],
    // Of 16 and 4 bits, and 32 bits for each input feature.
    ["gptq", 4 + (16 + 4) / 128 + (32 * (6 * 4096 + 11008)) / (6_476_005_376 / 32)],
    ["awq", 4 + (16 + 4) / 128],
    ["nvfp4", 4 + 8 / 16],
    ["mxfp4", 4 + 8 / 32],
    ["nf4", 4 + 32 / 64],
    ["nf4-dq", 4 + 8 / 64 + 32 / (64 * 256)],
  ])("says how many bits a weight takes as %s", (scheme, bits) => {
    const { before, after } = planOf7b(scheme);
    expect(before.bitsPerWeight).toBe(16);
    expect(after.bitsPerWeight).toBeCloseTo(bits, 3);
    // 6 476 005 376 weights of linears among 7 063 427 072.
    expect(before.bytes).toBe(2 * 7_063_427_072);
    expect(after.bytes).toBeCloseTo(
      2 * (7_063_427_072 - 6_476_005_376) + (6_476_005_376 * after.bitsPerWeight) / 8,
      0,
    );
  });

  it("survives JSON", async () => {
    const plan = await planOf("llava", { scheme: schemeNamed("nf4"), made: { scheme: "nf4" } });
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it("gives rows that groups do not divide another group size, and tells", async () => {
    const scheme = {
      format: "pack-quantized",
      bits: 4,
      groupSize: 48,
      zeroPoints: false,
      scales: "search",
    } as const;
    const { groups, config } = await planOf("llava", { scheme, otherGroupSizes: [32, 16] });
    expect(groups.map(({ scheme, tensors }) => [scheme, tensors.length])).toEqual([
      [scheme, 18],
      [{ ...scheme, groupSize: 16 }, 3],
    ]);
    expect(config[0]?.value).toMatchObject({
      config_groups: {
        group_0: { targets: ["Linear"], weights: { group_size: 48 } },
        group_1: {
          targets: expect.arrayContaining([
            "language_model.model.layers.0.mlp.down_proj",
            "model.language_model.layers.0.mlp.down_proj",
          ]),
          weights: { group_size: 16 },
        },
      },
    });
  });

  it("leaves rows that no group size divides as they are, and tells", async () => {
    const { kept } = await planOf("llava", { scheme: schemeNamed("int4-g48"), otherGroupSizes: [] });
    expect(kept.find(({ reason }) => reason.includes("divide"))).toEqual({
      reason: "groups of 48 do not divide rows of 80 weights",
      tensors: [0, 1, 2].map((layer) => `language_model.model.layers.${layer}.mlp.down_proj.weight`),
    });
  });

  it("skips by pattern and takes other components and roles where told", async () => {
    const skipping = await planOf("llava", { scheme: schemeNamed("nf4"), skip: ["*.layers.1.*"] });
    expect(skipping.kept.find(({ reason }) => reason.includes("skipped"))?.tensors).toHaveLength(7);
    const vision = await planOf("llava", {
      scheme: schemeNamed("nf4"),
      components: ["visionTower"],
      roles: ["fc1"],
    });
    expect(vision.groups[0]?.tensors.every((name) => name.endsWith("fc1.weight"))).toBe(true);
    const head = await planOf("llava", { scheme: schemeNamed("nf4"), roles: ["lmHead"] });
    expect(head.groups[0]?.tensors).toEqual([expect.stringContaining("lm_head.weight")]);
  });

  it("lets transformers decode zero points of compressed-tensors, which it cannot load packed", async () => {
    const settings = async (scheme: string) =>
      (await planOf("llava", { scheme: schemeNamed(scheme) })).config;
    expect(await settings("int4-g16-zero")).toMatchObject([{ value: { dequantize: true } }]);
    for (const scheme of ["int4-g16", "int8"]) {
      expect(JSON.stringify(await settings(scheme))).not.toContain("dequantize");
    }
  });

  it("lists for bitsandbytes what stays, under the old and the new names of modules", async () => {
    const { config } = await planOf("llava-hub", { scheme: schemeNamed("nf4") });
    expect(config).toEqual([
      {
        path: ["quantization_config"],
        value: {
          quant_method: "bitsandbytes",
          load_in_4bit: true,
          load_in_8bit: false,
          bnb_4bit_quant_type: "nf4",
          bnb_4bit_use_double_quant: false,
          bnb_4bit_compute_dtype: "float32",
          bnb_4bit_quant_storage: "uint8",
          llm_int8_skip_modules: [
            "lm_head",
            "model.lm_head",
            "vision_tower",
            "model.vision_tower",
            "multi_modal_projector",
            "model.multi_modal_projector",
          ],
        },
      },
    ]);
  });

  it("tells GPTQ's readers which linears of which blocks are quantized", async () => {
    const { config } = await planOf("llava", { scheme: schemeNamed("gptq-g16"), skip: ["*.down_proj.*"] });
    expect(config[0]?.value).toEqual({
      quant_method: "gptq",
      checkpoint_format: "gptq",
      bits: 4,
      group_size: 16,
      desc_act: false,
      sym: true,
      lm_head: false,
      block_name_to_quantize: "model.language_model.layers",
      modules_in_block_to_quantize: [
        [
          "self_attn.q_proj",
          "self_attn.k_proj",
          "self_attn.v_proj",
          "self_attn.o_proj",
          "mlp.gate_proj",
          "mlp.up_proj",
        ],
      ],
      dynamic: expect.objectContaining({
        "-:(.*\\.)?vision_tower(\\..*)?$": {},
        "-:model\\.language_model\\.layers\\.1\\.mlp\\.down_proj$": {},
      }),
    });
  });

  it("keeps one group size for the whole model where the format has one", async () => {
    const { groups, kept } = await planOf("llava", { scheme: schemeNamed("awq-g48"), otherGroupSizes: [16] });
    expect(groups).toHaveLength(1);
    expect(kept.find(({ reason }) => reason.includes("groups"))).toMatchObject({
      reason: "groups of 48 do not divide rows of 80 weights",
    });
  });

  it("stores linears in different schemes by role, component and layer, each named where it is not the first", async () => {
    const mixed = schemesNamed(
      "int4-g16+down=int8+0.q=int3-g16+vision=fp8+head=int8+embedding=int4-g16",
      "fast",
    );
    const { groups, config, notes } = await planOf("llava", { ...mixed, skip: ["*.layers.2.*.o_proj.*"] });
    const schemeOf = (end: string) =>
      groups.find(({ tensors }) => tensors.some((name) => name.endsWith(end)))?.scheme;
    expect(schemeOf("language_model.model.layers.0.self_attn.k_proj.weight")).toEqual(
      schemeNamed("int4-g16", "fast"),
    );
    expect(schemeOf("layers.2.mlp.down_proj.weight")).toEqual(schemeNamed("int8", "fast"));
    expect(schemeOf("language_model.model.layers.0.self_attn.q_proj.weight")).toEqual(
      schemeNamed("int3-g16", "fast"),
    );
    expect(schemeOf("mlp.fc1.weight")).toEqual(schemeNamed("fp8"));
    expect(schemeOf("lm_head.weight")).toEqual(schemeNamed("int8", "fast"));
    expect(schemeOf("embed_tokens.weight")).toEqual(schemeNamed("int4-g16", "fast"));
    const written = config[0]?.value as {
      readonly ignore: readonly string[];
      readonly config_groups: Readonly<Record<string, { readonly targets: readonly string[] }>>;
    };
    const of = (module: string) => {
      const found = compressedTensors.says?.(written, module);
      return found && [found.format, (found.weights as { readonly num_bits: number }).num_bits];
    };
    // As the older and the newer transformers, and vLLM, call them.
    for (const start of ["model.language_model.", "language_model.model."]) {
      expect(of(`${start}layers.1.self_attn.q_proj`)).toEqual(["pack-quantized", 4]);
      expect(of(`${start}layers.0.self_attn.q_proj`)).toEqual(["pack-quantized", 3]);
      expect(of(`${start}layers.1.mlp.down_proj`)).toEqual(["int-quantized", 8]);
      expect(of(`${start}layers.2.self_attn.o_proj`)).toBeUndefined();
      expect(of(`${start}embed_tokens`)).toEqual(["pack-quantized", 4]);
    }
    expect(of("model.vision_tower.encoder.layers.0.mlp.fc1")).toEqual(["float-quantized", 8]);
    expect(of("model.multi_modal_projector.linear_1")).toBeUndefined();
    expect(of("lm_head")).toEqual(["int-quantized", 8]);
    expect(Object.values(written.config_groups)[0]?.targets).toContain("Linear");
    expect(notes).toEqual([expect.stringContaining("q_proj.weight, ")]);
  });

  it("refuses several schemes where a configuration holds for all linears, and methods that one file cannot name together", async () => {
    const named = (name: string) => planOf("llava", schemesNamed(name, "fast"));
    await expect(named("gptq-g16+down=gptq-int8-g16")).rejects.toThrow(
      /a configuration of GPTQ holds for all linears of a model, and the plan has/,
    );
    await expect(named("nf4+down=fp4")).rejects.toThrow(/a configuration of bitsandbytes holds/);
    await expect(named("int4-g16+down=nf4")).rejects.toThrow(
      "one config.json holds weights of compressed-tensors or of bitsandbytes, not of both",
    );
  });

  it("that was put together by hand is refused where its configuration says something else", async () => {
    const four = await planOf("llava", { scheme: schemeNamed("int4-g16"), skip: ["*.down_proj.*"] });
    const eight = await planOf("llava", { scheme: schemeNamed("int8"), roles: ["downProj"] });
    const merged = { ...four, groups: [...four.groups, ...eight.groups] };
    expect(() => quantization(merged)).toThrow(
      /the plan stores \S+down_proj.weight as .*int-quantized.*, and its quantization_config says that it stays as it is/,
    );
    const all = await planOf("llava", { scheme: schemeNamed("int4-g16") });
    expect(() => quantization({ ...all, groups: eight.groups })).toThrow(/says that it is .*pack-quantized/);
    const nf4 = await planOf("llava", { scheme: schemeNamed("nf4") });
    const fp4 = await planOf("llava", { scheme: schemeNamed("fp4") });
    expect(() => quantization({ ...nf4, groups: fp4.groups })).toThrow(/bnb_4bit_quant_type":"nf4"/);
    expect(() => quantization(all)).not.toThrow();
  });

  it.each([
    ["int4-g16+down", '"down" of int4-g16+down does not say which linears are stored how'],
    ["int4-g16+nose=int8", '"nose" of int4-g16+nose=int8 is no linear\'s place: there are language, vision,'],
    ["int4-g16+3-1=int8", '"3-1" of'],
    ["int4-g16+down=int5", 'no scheme is named "int5"'],
    ["int3-g16,int4-g16+down=int8", "names 2 schemes: a budget of bits or bytes chooses among them"],
  ])("does not take %s for a scheme", (name, problem) => {
    expect(() => schemesNamed(name)).toThrow(problem);
  });

  it("refuses to quantize nothing, with the reasons", async () => {
    const nothing = planOf("llava", { scheme: schemeNamed("int4-g128") });
    await expect(nothing).rejects.toThrow(QuantizationError);
    await expect(nothing).rejects.toThrow(
      /none of 36 linears would be quantized: .*18 because groups of 128, 64, 32 do not divide rows of 48 weights/,
    );
  });

  it("knows schemes by name", () => {
    expect(schemeNamed("int4-g64-zero", "fast")).toEqual({
      format: "pack-quantized",
      bits: 4,
      groupSize: 64,
      zeroPoints: true,
      scales: "compressed-tensors",
    });
    expect(() => schemeNamed("int5")).toThrow(/no scheme is named "int5": there are int4-g32, .*nf4-dq/);
  });
});
