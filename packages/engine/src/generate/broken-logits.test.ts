import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { languageScorer, loadEncoder, loadVlm, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { type Checkpoint, fromFloat32, memorySource, openCheckpoint, openSources } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { encoderFixture, vlmGolden } from "../test-support/goldens.ts";

/** A checkpoint in memory, one element of a tensor of which is another. */
async function broken(folder: string, tensor: string, value: number): Promise<Checkpoint> {
  const file = "model.safetensors";
  const bytes = new Uint8Array(await readFile(join(folder, file)));
  const info = (await openSources([memorySource(bytes, file)])).tensors.get(tensor);
  if (info === undefined) throw new RangeError(`${folder} has no ${tensor}`);
  const element = fromFloat32(Float32Array.of(value), info.dtype);
  bytes.set(element, info.offset + 7 * element.length);
  const opened = await openSources([memorySource(bytes, file)]);
  const { readSibling } = await openCheckpoint(folder);
  return { ...opened, location: folder, readSibling };
}

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];
const request = { prompt: "What is in the picture?", images: [vlmGolden("picture.png")] };

describe.each(executors)("a broken weight, by the $name executor,", (executor) => {
  test.each([
    ["language_model.model.layers.1.mlp.down_proj.weight", Number.NaN],
    ["language_model.lm_head.weight", Number.NaN],
    ["language_model.model.layers.0.self_attn.q_proj.weight", Number.POSITIVE_INFINITY],
    ["multi_modal_projector.linear_1.weight", Number.NEGATIVE_INFINITY],
  ])("%s of %s ends an answer with a sentence that names it", async (name, value) => {
    const checkpoint = await broken(vlmGolden("llava"), name, value);
    const vlm = await loadVlm(checkpoint, { executor });
    const message = `of the answer are NaN or infinite: tensor "${name}" of ${vlmGolden("llava")} holds ${value} at element 7`;
    await expect(vlm.generate(request, { maxNewTokens: 4 })).rejects.toThrow(message);
    await expect(vlm.generate(request, { maxNewTokens: 4, temperature: 1 })).rejects.toThrow(message);
    await expect(vlm.logits(request)).rejects.toThrow(
      `the logits of the prompt are NaN or infinite: tensor "${name}"`,
    );
    await vlm.release();
  });
});

test("a broken weight ends the scoring and encoding of texts", async () => {
  const scorer = await languageScorer(
    await broken(encoderFixture("gpt2"), "transformer.h.0.mlp.c_fc.weight", Number.NaN),
  );
  await expect(scorer.negativeLogLikelihoods(["a b c d"], { startToken: false })).rejects.toThrow(
    'tensor "transformer.h.0.mlp.c_fc.weight"',
  );
  const encoder = await loadEncoder(
    await broken(encoderFixture("bert"), "encoder.layer.0.output.dense.weight", Number.NaN),
  );
  await expect(encoder.encode(["a b c"])).rejects.toThrow('tensor "encoder.layer.0.output.dense.weight"');
  await scorer.release();
  await encoder.release();
});
