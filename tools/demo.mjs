// What vlmopt does today, on a small trained LLaVA that answers questions about drawn scenes, offline. Writes to a temporary folder only.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const cli = join(root, "apps/cli/dist/main.js");
const here = (path) => relative(process.cwd(), join(root, path));
const model = here("fixtures/tiny-llava");
const [scene] = JSON.parse(readFileSync(join(root, "fixtures/scenes/test.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "vlmopt-demo-"));
const made = (name) => join(folder, name);

try {
  vlmopt("inspect", model);
  // A tenth of the neurons costs this model little, seven tenths break it: see fixtures/tiny-llava/README.md.
  vlmopt("prune", model, made("pruned"), "--glu", "0.1", "--divisor", "64");
  vlmopt("prune", model, made("small"), "--glu", "0.1", "--divisor", "64", "--quantize", "int4-g64");
  vlmopt("prune", model, made("broken"), "--glu", "0.7", "--divisor", "64");
  console.log(`\nThe answer that is wanted: ${scene.answer}`);
  for (const variant of [model, made("pruned"), made("small"), made("broken")]) {
    vlmopt("ask", variant, "--image", here(`fixtures/scenes/images/${scene.image}`), scene.question);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function vlmopt(...args) {
  console.log(`\n$ vlmopt ${args.map((arg) => (/\s/.test(arg) ? `"${arg}"` : arg)).join(" ")}`);
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) process.exit(status ?? 1);
}
