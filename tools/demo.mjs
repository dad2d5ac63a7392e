// What vlmopt does today, on a checkpoint of real LLaVA architecture, offline. Writes to a temporary folder only.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const cli = join(root, "apps/cli/dist/main.js");
const model = relative(process.cwd(), join(root, "fixtures/checkpoints/llava"));
const folder = mkdtempSync(join(tmpdir(), "vlmopt-demo-"));
const pruned = join(folder, "llava-pruned");
const bf16 = join(folder, "llava-pruned-bf16");

try {
  vlmopt("inspect", model);
  vlmopt("prune", model, pruned, "--glu", "0.3", "--heads", "0.25", "--divisor", "8");
  vlmopt("convert", pruned, bf16, "--dtype", "bf16", "--shard-size", "100kB");
  vlmopt("inspect", bf16);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function vlmopt(...args) {
  console.log(`\n$ vlmopt ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}
