import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, expect, it } from "vitest";
import { planQuantization } from "../checkpoint/plan-quantization.ts";
import { quantizeCheckpoint } from "../checkpoint/quantize-checkpoint.ts";
import { schemesNamed } from "../checkpoint/scheme-overrides.ts";
import { checkCheckpoint } from "./check-checkpoint.ts";

const root = mkdtempSync(join(tmpdir(), "vlmopt-check-live-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const python = process.env.VLMOPT_PYTHON;
const tinyLlava = fileURLToPath(new URL("../../../../fixtures/tiny-llava", import.meta.url));
const script = fileURLToPath(new URL("../../../../tools/reference/quant_loads.py", import.meta.url));

async function quantized(scheme: string): Promise<string> {
  const folder = join(root, scheme);
  await using source = await openCheckpoint(tinyLlava);
  const config = JSON.parse(readFileSync(join(tinyLlava, "config.json"), "utf8"));
  const plan = planQuantization(
    describeModel(config, source.tensors),
    source.tensors,
    schemesNamed(scheme, "fast"),
  );
  await quantizeCheckpoint(source, plan, folder, { workers: 0 });
  return folder;
}

/** A copy whose config.json was spoilt. */
function spoilt(folder: string, name: string, spoil: (config: Record<string, never>) => void): string {
  const copy = join(root, name);
  cpSync(folder, copy, { recursive: true });
  const config = JSON.parse(readFileSync(join(copy, "config.json"), "utf8"));
  spoil(config);
  writeFileSync(join(copy, "config.json"), JSON.stringify(config));
  return copy;
}

it.skipIf(python === undefined)(
  "transformers loads what the check promises, and nothing that it refuses (VLMOPT_PYTHON)",
  { timeout: 600_000 },
  async () => {
    const int4 = await quantized("int4-g128");
    const zero = await quantized("int4-g128-zero");
    const folders = [
      tinyLlava,
      int4,
      await quantized("int8"),
      zero,
      spoilt(zero, "packed-zeros", (config) => {
        Object.assign(config.quantization_config ?? {}, { dequantize: false });
      }),
      spoilt(int4, "no-ignore-list", (config) => {
        Object.assign(config.quantization_config ?? {}, { ignore: ["lm_head"] });
      }),
      spoilt(tinyLlava, "widths", (config) => {
        Object.assign(config.text_config ?? {}, { intermediate_size: [640, 640, 640, 640, 640] });
      }),
      spoilt(tinyLlava, "vocabulary", (config) => {
        Object.assign(config.text_config ?? {}, { vocab_size: 600 });
      }),
    ];
    const output = execFileSync(python as string, [script, ...folders], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const found = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Record<string, true | string>;
    for (const folder of folders) {
      await using checkpoint = await openCheckpoint(folder);
      const [report] = await checkCheckpoint(checkpoint, ["transformers"]);
      expect([folder, report?.loads, found[folder]]).toEqual([folder, found[folder] === true, found[folder]]);
    }
  },
);
