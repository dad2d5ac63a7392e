// The whole workflow on real input, offline: `vlmopt run recipes/tiny-llava.yaml`, measured anew each time. Writes to runs/tiny-llava only.
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const args = ["run", "recipes/tiny-llava.yaml", "--fresh"];
console.log(`$ vlmopt ${args.join(" ")}`);
const { status } = spawnSync(process.execPath, [join(root, "apps/cli/dist/main.js"), ...args], {
  cwd: root,
  stdio: "inherit",
  // Made models stay in the folder of the run, not in the user's cache.
  env: { ...process.env, VLMOPT_CACHE: join(root, "runs/cache") },
});
process.exitCode = status ?? 1;
