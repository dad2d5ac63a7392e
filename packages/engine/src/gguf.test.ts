import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadVlm } from "@vlmopt/engine";
import { quantizeToGguf } from "@vlmopt/quant";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";
import { loadTokenizer } from "./text/tokenizer.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-engine-gguf-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function written(type: "f16" | "q4_0" | "q8_0" | "q4_k"): Promise<string> {
  const folder = join(root, type);
  await using checkpoint = await openCheckpoint(tinyLlava);
  await quantizeToGguf(checkpoint, folder, { type, name: "tiny" });
  return folder;
}

test("tiny-llava answers from GGUF as from safetensors: text and vision part, tokenizer and template", async () => {
  const vlm = await loadVlm(await written("f16"), { threads: 1 });
  for (const { image, question, tokens, text } of heldOut.slice(0, 4)) {
    const own = await vlm.generate({ prompt: question, images: [picture(image)] });
    expect(own).toMatchObject({ tokens, text, finish: "end" });
  }
  await using original = await openCheckpoint(tinyLlava);
  const tokenizer = await loadTokenizer(original);
  for (const line of ["Where is it?", "  two  spaces, 1234 naïve 🦙\n\nend", "<image>\nred</s> a"]) {
    const ids = tokenizer.encode(line);
    expect(vlm.tokenizer.encode(line)).toEqual(ids);
    expect(vlm.tokenizer.decode(ids)).toBe(tokenizer.decode(ids));
  }
  await vlm.release();
});

describe("weights in blocks of GGUF", () => {
  // The plain executor decodes them. With activations in 8 bits, which cost accuracy, ONNX Runtime computes with codes of 8 bits, too.
  test.each([
    ["q4_0", "float32", 1e-5],
    ["q8_0", "int8", 0.03],
    ["q4_k", "int8", 0.03],
  ] as const)("%s give the same logits as stored and decoded", async (type, activations, most) => {
    const folder = await written(type);
    const logits = async (options: Parameters<typeof loadVlm>[1]) => {
      const vlm = await loadVlm(folder, options);
      const result = await vlm.logits({ raw: "Where is the red square?" });
      await vlm.release();
      return result.logits;
    };
    const decoded = await logits({ executor: "plain" });
    const stored = await logits({ activations, threads: 1 });
    const size = Math.max(...decoded.map(Math.abs));
    const apart = decoded.reduce((most, value, i) => Math.max(most, Math.abs(value - (stored[i] ?? 0))), 0);
    expect(apart / size).toBeLessThan(most);
  });
});
