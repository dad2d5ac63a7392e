import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel } from "@vlmopt/models";
import {
  dequantizeCheckpoint,
  planQuantization,
  type QuantizationRequest,
  quantizeCheckpoint,
  schemeNamed,
  schemesNamed,
} from "@vlmopt/quant";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { writeWideCheckpoint } from "../test-support/wide-checkpoint.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-quant-live-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const python = process.env.VLMOPT_PYTHON;
const hasGptqmodel =
  python !== undefined && spawnSync(python, ["-c", "import gptqmodel, optimum"]).status === 0;

/** Leaves the checkpoint quantized in `place`, and dequantized beside it. */
async function quantizeAndBack(
  model: string,
  request: QuantizationRequest,
  place: string,
  back: Parameters<typeof dequantizeCheckpoint>[2] = {},
): Promise<void> {
  await using checkpoint = await openCheckpoint(model);
  const config: unknown = JSON.parse(readFileSync(join(model, "config.json"), "utf8"));
  const description = describeModel(config, checkpoint.tensors);
  await quantizeCheckpoint(checkpoint, planQuantization(description, checkpoint.tensors, request), place);
  await using quantized = await openCheckpoint(place);
  await dequantizeCheckpoint(quantized, `${place}-dequantized`, back);
}

/** Runs tools/reference/quant_check.py over pairs of checkpoints. */
function check(place: string): void {
  const script = fileURLToPath(new URL("../../../../tools/reference/quant_check.py", import.meta.url));
  const output = execFileSync(python as string, [script, place], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const { failures, largest } = JSON.parse(output.trim().split("\n").at(-1) ?? "") as {
    failures: string[];
    largest: number;
  };
  expect(failures).toEqual([]);
  expect(largest).toBeLessThan(1e-3);
}

describe.skipIf(python === undefined)(
  "stock transformers gives the logits of the dequantized weights",
  () => {
    it("for compressed-tensors' integers and bitsandbytes (VLMOPT_PYTHON)", {
      timeout: 300_000,
    }, async () => {
      const place = mkdtempSync(join(folder, "live-"));
      const requests: Record<string, QuantizationRequest> = {
        "int4-g16": { scheme: schemeNamed("int4-g16") },
        "int4-g16-zero": { scheme: schemeNamed("int4-g16-zero") },
        "int4-row-fast": { scheme: schemeNamed("int4-row", "fast") },
        "two-group-sizes": {
          scheme: { format: "pack-quantized", bits: 4, groupSize: 48, zeroPoints: false, scales: "search" },
          otherGroupSizes: [16, 8],
        },
        "some-skipped": { scheme: schemeNamed("int4-row"), skip: ["*layers.1.*", "*layers.0.*.q_proj.*"] },
        "vision-too": {
          scheme: schemeNamed("int4-row"),
          components: ["languageModel", "visionTower"],
          skip: ["*layers.1.*"],
        },
        int8: { scheme: schemeNamed("int8") },
        "int3-g16": { scheme: schemeNamed("int3-g16") },
        "int2-g16-zero": { scheme: schemeNamed("int2-g16-zero") },
        "int8-g16": { scheme: schemeNamed("int8-g16") },
        "fp8-w8a16": { scheme: schemeNamed("fp8-w8a16") },
        mixed: schemesNamed("int4-g16+down=int8+0.q=int3-g16+head=int8"),
        "with-table": schemesNamed("int4-g16+embedding=int8"),
        nf4: { scheme: schemeNamed("nf4") },
        "nf4-dq": { scheme: schemeNamed("nf4-dq") },
        "nf4-some-skipped": { scheme: schemeNamed("nf4"), skip: ["*layers.1.*"] },
        fp4: { scheme: schemeNamed("fp4") },
      };
      for (const model of ["llava", "llava-hub", "qwen2-vl", "blip-2", "smolvlm", "paligemma", "llama"]) {
        const fixture = fileURLToPath(new URL(`../../../../fixtures/checkpoints/${model}`, import.meta.url));
        for (const [name, request] of Object.entries(requests)) {
          // transformers 5.23 cannot load any packed SigLIP: it initializes weights that are not there.
          if (model === "paligemma" && name === "vision-too") continue;
          await quantizeAndBack(fixture, request, join(place, `${model}-${name}`));
        }
      }
      check(place);
    });

    it("for NVFP4 and MXFP4 (VLMOPT_PYTHON)", { timeout: 300_000 }, async () => {
      const place = mkdtempSync(join(folder, "live-"));
      for (const model of ["llama", "llava", "qwen2-vl"] as const) {
        const wide = join(folder, `wide-${model}`);
        await writeWideCheckpoint(model, wide);
        for (const name of ["nvfp4", "mxfp4"])
          await quantizeAndBack(wide, { scheme: schemeNamed(name) }, join(place, `${model}-${name}`));
        await quantizeAndBack(
          wide,
          { scheme: schemeNamed("nvfp4", "fast"), skip: ["*layers.1.*"] },
          join(place, `${model}-nvfp4-some-skipped`),
        );
      }
      check(place);
    });

    it.skipIf(!hasGptqmodel)(
      "for GPTQ and AWQ (VLMOPT_PYTHON with gptqmodel and optimum)",
      { timeout: 300_000 },
      async () => {
        const place = mkdtempSync(join(folder, "live-"));
        for (const model of ["llama", "llava", "qwen2-vl"] as const) {
          const wide = join(folder, `wide-gptq-${model}`);
          await writeWideCheckpoint(model, wide);
          const requests: Record<string, QuantizationRequest> = {
            gptq: { scheme: schemeNamed("gptq", "fast") },
            "gptq-g32-zero": { scheme: schemeNamed("gptq-g32-zero") },
            "gptq-int3-g64": { scheme: schemeNamed("gptq-int3-g64") },
            "gptq-int8": { scheme: schemeNamed("gptq-int8") },
            "gptq-without-down": { scheme: schemeNamed("gptq-g64"), skip: ["*.down_proj.*"] },
            awq: { scheme: schemeNamed("awq", "fast") },
            "awq-g32": { scheme: schemeNamed("awq-g32") },
            "awq-some-skipped": { scheme: schemeNamed("awq-g64"), skip: ["*layers.1.*"] },
          };
          for (const [name, request] of Object.entries(requests)) {
            // They multiply in more than BF16.
            await quantizeAndBack(wide, request, join(place, `${model}-${name}`), { dtype: "F32" });
          }
        }
        check(place);
      },
    );
  },
);
