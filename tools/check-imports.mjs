// Checks that imports go the ways that docs/architecture.md allows: prints one line for each that does not, and exits 1 if any does not.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { importProblems } from "./import-directions.mjs";

const root = resolve(import.meta.dirname, "..");
const problems = ["packages", "apps"].flatMap((group) =>
  readdirSync(join(root, group)).flatMap((name) => problemsOfPackage(join(root, group, name))),
);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log("imports go the ways that docs/architecture.md allows");

function problemsOfPackage(folder) {
  const manifest = join(folder, "package.json");
  if (!existsSync(manifest)) return [];
  return importProblems(JSON.parse(readFileSync(manifest, "utf8")), typeScriptFiles(join(folder, "src")));
}

function typeScriptFiles(folder) {
  const files = readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
  return new Map(
    files.map((file) => [relative(root, file).split(sep).join("/"), readFileSync(file, "utf8")]),
  );
}
