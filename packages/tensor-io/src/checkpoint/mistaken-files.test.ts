import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { entry, fileBytes } from "../test-support/build-file.ts";
import { openCheckpoint } from "./open-checkpoint.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-mistaken-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function folderOf(name: string, files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(root, name);
  mkdirSync(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  return folder;
}

describe("a folder of another format says which, and what to do", () => {
  const others: [file: string, message: string, hint: string][] = [
    ["pytorch_model.bin", "which holds PyTorch's pickled weights", "save_pretrained"],
    ["pytorch_model-00001-of-00002.bin", "which holds PyTorch's pickled weights", "save_pretrained"],
    ["mm_projector.bin", "which holds a part of the original LLaVA's layout", "-hf version"],
    ["consolidated.00.pth", "which holds Meta's own files of PyTorch", "convert_llama_weights_to_hf.py"],
    ["tf_model.h5", "which holds weights of another framework", "safetensors files"],
  ];
  it.each(others)("%s", async (file, message, hint) => {
    const opening = openCheckpoint(folderOf(`with-${file}`, { [file]: "x", "config.json": "{}" }));
    await expect(opening).rejects.toMatchObject({
      code: "no-checkpoint",
      message: expect.stringContaining(`there is no .safetensors file, but ${file}, ${message}`),
      hint: expect.stringContaining(hint),
    });
  });

  it("and files beside the weights that are pointers or pages are no files", async () => {
    const pointer = "version https://git-lfs.test/spec/v1\noid sha256:00\nsize 17\n";
    const folder = folderOf("pointers", {
      "model.safetensors": fileBytes(`{"a":${entry("I32", [2, 2], 0, 16)}}`, new Uint8Array(16)),
      "tokenizer.json": pointer,
      "config.json": "<html><body>401</body></html>",
    });
    await using checkpoint = await openCheckpoint(folder);
    await expect(checkpoint.readSibling("tokenizer.json")).rejects.toMatchObject({
      message: `${join(folder, "tokenizer.json")}: this is a pointer of Git LFS to a file of 17 bytes, not the file itself`,
      hint: expect.stringContaining("git lfs pull"),
    });
    await expect(checkpoint.readSibling("config.json")).rejects.toThrow("a page of HTML");
  });
});
