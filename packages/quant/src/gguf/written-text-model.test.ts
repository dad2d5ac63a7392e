import { createHash } from "node:crypto";
import { memorySink, memorySource } from "@vlmopt/tensor-io";
import { expect, it } from "vitest";
import { openFixture } from "../test-support/fixture.ts";
import { golden } from "../test-support/inputs.ts";
import { quantizeToGguf } from "./quantize-to-gguf.ts";
import { readGguf } from "./read-gguf.ts";

/** What llama.cpp's own converter makes of the fixtures: tools/reference/quant_gguf_converted.py. */
const converted =
  golden<
    Readonly<
      Record<
        string,
        {
          readonly metadata: Readonly<Record<string, [type: string, value: unknown]>>;
          readonly tensors: Readonly<Record<string, [shape: number[], sha256: string]>>;
        }
      >
    >
  >("gguf-converted");

it.each(Object.keys(converted))("%s has the tensors and settings of llama.cpp's converter", async (name) => {
  const { checkpoint } = await openFixture(name);
  const sink = memorySink();
  await quantizeToGguf(checkpoint, sink, { type: "f32", tokenizer: "none" });
  const [file = new Uint8Array()] = [...sink.files.values()];
  const { metadata, tensors } = await readGguf(memorySource(file));
  const expected = converted[name];
  const hashes = [...tensors.values()].map(({ name: tensor, shape, offset, byteLength }) => {
    const bytes = file.subarray(offset, offset + byteLength);
    return [tensor, [shape, createHash("sha256").update(bytes).digest("hex")]];
  });
  expect(Object.fromEntries(hashes)).toEqual(expected?.tensors);
  for (const [key, [type, value]] of Object.entries(expected?.metadata ?? {})) {
    if (key.startsWith("general.") && key !== "general.architecture") continue;
    expect([key, metadata.get(key)]).toEqual([key, { type, value }]);
  }
});
