// Runs benchmarks by name, or lists them: node benchmarks/run.mjs [name …] [-- options of the benchmark]
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const support = new Set(["run.mjs", "side-by-side.mjs", "llava-shapes.mjs"]);
const all = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".mjs") && !support.has(name));
const split = process.argv.indexOf("--");
const names = process.argv.slice(2, split === -1 ? undefined : split);
const options = split === -1 ? [] : process.argv.slice(split + 1);

if (names.length === 0) {
  for (const file of all) {
    const about = readFileSync(join(import.meta.dirname, file), "utf8")
      .split("\n", 1)[0]
      .replace(/^\/\/ /, "");
    console.log(`${file.replace(".mjs", "").padEnd(24)}${about}`);
  }
}
for (const name of names) {
  if (!all.includes(`${name}.mjs`)) {
    console.error(
      `error: there is no benchmark ${name}; there are ${all.map((file) => file.replace(".mjs", "")).join(", ")}`,
    );
    process.exit(2);
  }
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.mjs`), ...options], {
    stdio: "inherit",
  });
  if (status !== 0) process.exit(status ?? 1);
}
