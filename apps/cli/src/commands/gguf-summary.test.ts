import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ggufFiles, summarizeGguf } from "./gguf-summary.ts";

/** Made by gguf's own writer (tools/reference/quant_gguf.py). */
const folder = fileURLToPath(new URL("../../../../packages/quant/goldens/", import.meta.url));

test("a GGUF file is summed up by type, and found in a folder without safetensors", async () => {
  const [file = ""] = await ggufFiles(folder);
  expect(file).toBe(`${folder}gguf-small.gguf`);
  const { version, architecture, tensors, types } = await summarizeGguf(file);
  expect(version).toBe(3);
  expect(architecture).toBe("llama");
  expect(types.reduce((sum, group) => sum + group.tensors, 0)).toBe(tensors.length);
  const bytes = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  expect(types.reduce((sum, group) => sum + group.bytes, 0)).toBe(bytes);
});

test("a folder of safetensors, and a URL, are none", async () => {
  expect(await ggufFiles(fileURLToPath(new URL("../../../../fixtures/tiny-llava", import.meta.url)))).toEqual(
    [],
  );
  expect(await ggufFiles("https://hub.example/model.gguf")).toEqual([]);
});
