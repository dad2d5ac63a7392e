// Rewrites a sharded bf16 checkpoint of some 4 GB unchanged, beside `cp -r` of the same folder, on tmpfs so that no disk blurs it.
//   node benchmarks/rewrite-checkpoint.mjs [--gigabytes 4] [--rounds 5]
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { makeLlavaShapes } from "./llava-shapes.mjs";
import { median, printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { gigabytes: { type: "string", default: "4" }, rounds: { type: "string", default: "5" } },
});
// All but the layers of the language model takes 1.2 GB; a layer takes 405 MB.
const layers = Math.max(1, Math.round((Number(values.gigabytes) * 1e9 - 1.2e9) / 405e6));
const folder = mkdtempSync(join(process.platform === "linux" ? "/dev/shm" : tmpdir(), "vlmopt-rewrite-"));
const [input, ours, theirs] = ["in", "ours", "theirs"].map((name) => join(folder, name));
const child = `
  import { openCheckpoint, rewriteCheckpoint } from "@vlmopt/tensor-io";
  const started = performance.now();
  const source = await openCheckpoint(process.argv[1]);
  await rewriteCheckpoint(source, undefined, process.argv[2], { shardSize: 1e9, workers: 2 });
  await source.close();
  console.log(JSON.stringify({ seconds: (performance.now() - started) / 1000, rss: process.resourceUsage().maxRSS * 1024 }));`;

try {
  const bytes = await makeLlavaShapes(input, { layers, shardSize: 1e9 });
  const memory = [];
  const result = await sideBySide(
    {
      "cp -r": () => {
        rmSync(theirs, { recursive: true, force: true });
        const started = performance.now();
        execFileSync("cp", ["-r", input, theirs]);
        return (performance.now() - started) / 1000;
      },
      "@vlmopt/tensor-io": () => {
        rmSync(ours, { recursive: true, force: true });
        const started = performance.now();
        const output = execFileSync(process.execPath, ["--input-type=module", "-e", child, input, ours], {
          cwd: import.meta.dirname,
          encoding: "utf8",
        });
        const wall = (performance.now() - started) / 1000;
        memory.push(JSON.parse(output).rss);
        return wall;
      },
    },
    { rounds: Number(values.rounds) },
  );
  console.log(
    `identity rewrite of ${(bytes / 1e9).toFixed(2)} GB in shards of 1 GB (whole process, median of ${values.rounds})`,
  );
  printTable([
    ["", "seconds", "GB/s", "time / cp", "peak RSS MB"],
    ...Object.entries(result).map(([name, { seconds, ratio }]) => [
      name,
      seconds.toFixed(2),
      (bytes / seconds / 1e9).toFixed(2),
      (1 / ratio).toFixed(2),
      name === "cp -r" ? "" : (median(memory) / 1e6).toFixed(0),
    ]),
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
