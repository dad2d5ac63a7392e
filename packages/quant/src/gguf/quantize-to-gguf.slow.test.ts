import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, expect, it } from "vitest";
import { quantizeToGguf } from "./quantize-to-gguf.ts";
import { ggufFileTypes } from "./tensor-types.ts";
import { llavaConfig, writeModel } from "./test-support/write-model.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-gguf-live-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const python = process.env.VLMOPT_PYTHON;

/** Relative squared errors that a bell's weights come back with, and no more. */
const largestErrors: Readonly<Record<string, number>> = {
  F32: 0,
  F16: 1e-7,
  Q8_0: 4e-5,
  Q6_K: 5e-4,
  Q5_0: 2.5e-3,
  Q4_0: 1e-2,
  Q4_K: 7e-3,
};

it.skipIf(python === undefined)(
  "the gguf package reads files of every type and finds the checkpoint's weights in them (VLMOPT_PYTHON)",
  { timeout: 120_000 },
  async () => {
    const model = await writeModel(join(root, "model"), llavaConfig());
    await using checkpoint = await openCheckpoint(model);
    const written: string[] = [];
    for (const type of ggufFileTypes) {
      const vision = type === "f32" ? "f32" : "f16";
      const folder = join(root, type);
      const { files } = await quantizeToGguf(checkpoint, folder, { type, vision, tokenizer: "none" });
      written.push(...files.map(({ name }) => join(folder, name)));
    }
    const script = fileURLToPath(new URL("../../../../tools/reference/quant_gguf_check.py", import.meta.url));
    const output = execFileSync(python as string, [script, model, ...written], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const found = JSON.parse(output) as Record<
      string,
      { arch: string; errors: Record<string, number>; unknown: string[] }
    >;
    expect(Object.keys(found)).toEqual(written);
    for (const { arch, errors, unknown } of Object.values(found)) {
      expect(unknown).toEqual([]);
      // Two layers of 9 tensors and 3 besides; two of 16, five before them and four of the projector.
      expect(Object.keys(errors).length).toBe(arch === "llama" ? 21 : 41);
      for (const [tensor, error] of Object.entries(errors)) {
        const type = tensor.split(" ").at(-1) ?? "";
        expect([tensor, error <= (largestErrors[type] as number)]).toEqual([tensor, true]);
      }
    }
  },
);
