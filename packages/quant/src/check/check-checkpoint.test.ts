import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel } from "@vlmopt/models";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { planQuantization } from "../checkpoint/plan-quantization.ts";
import { quantizeCheckpoint } from "../checkpoint/quantize-checkpoint.ts";
import { schemesNamed } from "../checkpoint/scheme-overrides.ts";
import { openCheckpointOrGguf } from "../gguf/open-checkpoint-or-gguf.ts";
import { quantizeToGguf } from "../gguf/quantize-to-gguf.ts";
import { checkCheckpoint, checkLine, type LoaderReport, loaders } from "./check-checkpoint.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-check-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** 8 heads of 32 and 4 of keys and values, 384 features, 640 neurons. */
const tinyLlava = fileURLToPath(new URL("../../../../fixtures/tiny-llava", import.meta.url));
const config = JSON.parse(readFileSync(join(tinyLlava, "config.json"), "utf8"));

async function quantized(scheme: string): Promise<string> {
  const folder = join(root, scheme);
  await using source = await openCheckpoint(tinyLlava);
  const plan = planQuantization(
    describeModel(config, source.tensors),
    source.tensors,
    schemesNamed(scheme, "fast"),
  );
  await quantizeCheckpoint(source, plan, folder, { workers: 0 });
  return folder;
}

/** What stands against a model, certain or not, by loader. */
function found(reports: readonly LoaderReport[]): Record<string, [certain: boolean, message: string][]> {
  return Object.fromEntries(
    reports.map(({ loader, problems }) => [
      loader,
      problems.map(({ certain, message }) => [certain, message]),
    ]),
  );
}

/** The checkpoint with another config.json, and without some files. */
function changed(
  checkpoint: Checkpoint,
  edit: (config: Record<string, unknown>) => void,
  without: string[] = [],
) {
  const readSibling: Checkpoint["readSibling"] = async (name) => {
    if (without.includes(name)) return undefined;
    const bytes = await checkpoint.readSibling(name);
    if (name !== "config.json" || bytes === undefined) return bytes;
    const json = JSON.parse(new TextDecoder().decode(bytes));
    edit(json);
    return new TextEncoder().encode(JSON.stringify(json));
  };
  return { ...checkpoint, readSibling };
}

describe("a check against loaders", () => {
  it("passes a plain model everywhere but in llama.cpp, with facts and cures", async () => {
    await using checkpoint = await openCheckpoint(tinyLlava);
    const reports = await checkCheckpoint(checkpoint);
    expect(checkLine(reports)).toBe("loads in transformers, vllm, sglang, vlmopt; not in llama.cpp");
    const [problem] = reports.find(({ loader }) => loader === "llama.cpp")?.problems ?? [];
    expect(problem?.cure).toBe("vlmopt quantize it with --scheme gguf-q4_k");
    expect(problem?.fact.date).toMatch(/^20\d\d-\d\d$/);
    await expect(checkCheckpoint(checkpoint, ["tgi"])).rejects.toThrow(
      'no loader is named "tgi": there are transformers',
    );
  });

  it("misses the tokenizer, the processor, and numbers that are lists", async () => {
    await using checkpoint = await openCheckpoint(tinyLlava);
    const bare = changed(checkpoint, () => {}, [
      "tokenizer.json",
      "preprocessor_config.json",
      "processor_config.json",
    ]);
    for (const loader of ["transformers", "vllm", "sglang", "vlmopt"]) {
      const messages = found(await checkCheckpoint(bare, [loader]))
        [loader]?.map(([, message]) => message)
        .join();
      expect(messages).toMatch(/tokenizer.*preprocessor_config/);
    }
    const listed = changed(checkpoint, (json) => {
      (json.text_config as Record<string, unknown>).intermediate_size = [640, 640, 640, 640, 640];
    });
    expect(checkLine(await checkCheckpoint(listed))).toBe(
      "loads in vlmopt; not in transformers, vllm, sglang, llama.cpp",
    );
    const other = changed(checkpoint, (json) => {
      (json.text_config as Record<string, unknown>).vocab_size = 577;
    });
    expect(checkLine(await checkCheckpoint(other))).toMatch(/^loads in none;/);
  });

  it("knows what Marlin takes: bits, symmetry, groups, tiles on each rank, and heads that ranks can share", async () => {
    await using symmetric = await openCheckpoint(await quantized("gptq"));
    expect(found(await checkCheckpoint(symmetric, ["vllm", "sglang"]))).toEqual({ vllm: [], sglang: [] });
    const [three] =
      found(await checkCheckpoint(symmetric, ["vllm"], { tensorParallel: 3 })).vllm?.slice(-1) ?? [];
    expect(three).toEqual([true, "8 heads and 4 of keys and values cannot be shared by 3 ranks"]);
    const four = found(await checkCheckpoint(symmetric, ["vllm"], { tensorParallel: 4 })).vllm;
    expect(four).toEqual([
      [false, "o 64 → 384 on each of 4 ranks do not fill Marlin's tiles of 128 inputs and 64 outputs"],
      [false, "down 160 → 384 on each of 4 ranks do not fill Marlin's tiles of 128 inputs and 64 outputs"],
    ]);
    await using zeros = await openCheckpoint(await quantized("gptq-zero"));
    expect(found(await checkCheckpoint(zeros, ["vllm"])).vllm).toEqual([
      [false, "GPTQ's weights have zero points (sym is not true), so a slow kernel takes them, not Marlin"],
    ]);
    await using few = await openCheckpoint(await quantized("int2-g16"));
    expect(found(await checkCheckpoint(few, ["vllm"])).vllm).toEqual([
      [true, "weights have 2 bits, and the server takes 4 and 8"],
      [false, "weights have groups of 16, and Marlin takes 32, 64, 128 and whole rows"],
    ]);
  });

  it("holds the list of what is not quantized against the file, under every name that loaders have", async () => {
    await using checkpoint = await openCheckpoint(await quantized("int4-g128-zero"));
    const names = ["transformers", "vllm", "sglang"];
    expect(found(await checkCheckpoint(checkpoint, names))).toEqual({
      transformers: [],
      vllm: [],
      sglang: [],
    });
    const quantization = (json: Record<string, unknown>) =>
      json.quantization_config as Record<string, unknown>;
    const unlisted = changed(checkpoint, (json) => {
      quantization(json).ignore = ["lm_head"];
    });
    for (const [, problems] of Object.entries(found(await checkCheckpoint(unlisted, names)))) {
      expect(problems).toEqual([
        [
          true,
          expect.stringMatching(
            /^\S*vision_tower\S* is plain, and config.json does not ignore it .*\(2[0-9] linears/,
          ),
        ],
      ]);
    }
    // Names of before transformers 4.52 alone.
    const older = changed(checkpoint, (json) => {
      quantization(json).ignore = ["re:^vision_tower.*", "re:^multi_modal_projector.*", "re:.*lm_head"];
    });
    expect(found(await checkCheckpoint(older, ["vllm"])).vllm?.[0]?.[0]).toBe(true);
    const packed = changed(checkpoint, (json) => {
      quantization(json).dequantize = false;
    });
    expect(found(await checkCheckpoint(packed, ["transformers"])).transformers).toEqual([
      [true, "weights have packed zero points, and quantization_config does not say `dequantize`"],
    ]);
    const strange = changed(checkpoint, (json) => {
      json.quantization_config = { ...quantization(json), quant_method: "exl3" };
    });
    expect(found(await checkCheckpoint(strange, ["vllm"])).vllm?.[0]?.[1]).toContain(
      'quant_method is "exl3"',
    );
  });

  it("sends GGUF files of models that see to llama.cpp", async () => {
    const folder = join(root, "gguf");
    await using source = await openCheckpoint(tinyLlava);
    await quantizeToGguf(source, folder, { type: "q8_0" });
    await using checkpoint = await openCheckpointOrGguf(folder);
    expect(checkLine(await checkCheckpoint(checkpoint))).toBe(
      "loads in llama.cpp, vlmopt; not in transformers, vllm, sglang",
    );
    expect(loaders.length).toBe(5);
  });
});
