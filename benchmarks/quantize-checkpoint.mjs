// Quantizes a checkpoint of LLaVA-1.5-7B's shapes, beside `cp -r` of it, in a folder of a disk that has room for twice the checkpoint.
//   node benchmarks/quantize-checkpoint.mjs [--scheme nf4] [--layers 32] [--rounds 1] [--folder /tmp]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeLlavaShapes } from "./llava-shapes.mjs";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    scheme: { type: "string", default: "nf4" },
    layers: { type: "string", default: "32" },
    rounds: { type: "string", default: "1" },
    folder: { type: "string", default: tmpdir() },
  },
});
const folder = mkdtempSync(join(values.folder, "vlmopt-quantize-"));
const [input, output] = ["in", "out"].map((name) => join(folder, name));

const ours = `
  import { readFileSync } from "node:fs";
  import { describeModel } from "@vlmopt/models";
  import { planQuantization, quantizeCheckpoint, schemeNamed } from "@vlmopt/quant";
  import { openCheckpoint } from "@vlmopt/tensor-io";
  const [input, output, scheme] = process.argv.slice(1);
  const checkpoint = await openCheckpoint(input);
  const config = JSON.parse(readFileSync(input + "/config.json", "utf8"));
  const description = describeModel(config, checkpoint.tensors);
  const plan = planQuantization(description, checkpoint.tensors, { scheme: schemeNamed(scheme, "fast") });
  await quantizeCheckpoint(checkpoint, plan, output, { workers: 2 });
  await checkpoint.close();
  console.log(process.resourceUsage().maxRSS * 1024);`;

try {
  const bytes = await makeLlavaShapes(input, { layers: Number(values.layers), shardSize: 5e9 });
  const memory = [];
  const timed = (work) => () => {
    rmSync(output, { recursive: true, force: true });
    const started = performance.now();
    work();
    return (performance.now() - started) / 1000;
  };
  const times = await sideBySide(
    {
      quantize: timed(() => {
        const args = ["--input-type=module", "-e", ours, input, output, values.scheme];
        memory.push(
          Number(execFileSync(process.execPath, args, { cwd: import.meta.dirname, encoding: "utf8" })),
        );
      }),
      copy: timed(() => execFileSync("cp", ["-r", input, output])),
    },
    { rounds: Number(values.rounds) },
  );
  const [quantize, copy] = [times.quantize.seconds, times.copy.seconds];
  printTable([
    [`${(bytes / 1e9).toFixed(1)} GB`, "s", "GB/s", "of cp -r", "peak MB"],
    ["cp -r", copy.toFixed(1), (bytes / copy / 1e9).toFixed(2), "1.00", "–"],
    [
      values.scheme,
      quantize.toFixed(1),
      (bytes / quantize / 1e9).toFixed(2),
      (quantize / copy).toFixed(2),
      (Math.max(...memory) / 1e6).toFixed(0),
    ],
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
