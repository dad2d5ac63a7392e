// Packs every package that is published and checks the tarballs as their users meet them, in an empty folder outside the workspace:
// publint and attw find nothing wrong, npm installs them, TypeScript accepts their types, each entry can be imported, the example of each
// README runs and prints something, and the command line converts a checkpoint. With `--node <executable>` more than once, what
// runs, runs under each of them. The packages must have been built.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { node: { type: "string", multiple: true, default: [process.execPath] } },
});
const root = resolve(import.meta.dirname, "..");
/** What a careful user has: library declarations are checked too, and no types are there that were not asked for. */
const compilerOptions = {
  strict: true,
  module: "NodeNext",
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable", "DOM"],
  types: [],
};
const folder = mkdtempSync(join(tmpdir(), "vlmopt-packages-"));

try {
  const packages = publishedPackages();
  const libraries = packages.filter(({ exports }) => "." in exports);
  const tarballs = packages.map(packed);
  for (const [i, { name }] of packages.entries()) {
    step(`${name}: publint`, () => tool("publint", tarballs[i], "--strict"));
  }
  for (const library of libraries) {
    const tarball = tarballs[packages.indexOf(library)];
    step(`${library.name}: attw`, () => tool("attw", tarball, "--profile", "esm-only"));
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  step("npm install of the tarballs", () => run("npm", "install", "--no-audit", "--no-fund", ...tarballs));
  step("tsc of an import of each", () => typecheckImports(libraries));
  step("npx vlmopt --help", () => run("npx", "--no", "vlmopt", "--help"));
  for (const node of values.node) {
    const version = run(node, "--version").trim();
    for (const library of libraries) {
      step(`${library.name}: import and README example on Node ${version}`, () => {
        importNames(node, library);
        runExample(node, library);
      });
    }
    step(`vlmopt convert on Node ${version}`, () => convert(node));
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function publishedPackages() {
  return ["packages", "apps"]
    .flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)))
    .filter((place) => existsSync(join(place, "package.json")))
    .map((place) => ({ place, ...JSON.parse(readFileSync(join(place, "package.json"), "utf8")) }))
    .filter((manifest) => !manifest.private);
}

function packed({ name, place }) {
  const tarball = join(folder, `${name.replace("@", "").replace("/", "-")}.tgz`);
  run("npx", "-y", "pnpm@12", "--dir", place, "pack", "--out", tarball);
  return tarball;
}

function typecheckImports(libraries) {
  const entries = libraries.flatMap(entriesOf);
  const imports = entries.map((name, i) => `import * as m${i} from "${name}";\n`).join("");
  const all = entries.map((_, i) => `m${i}`).join(", ");
  writeFileSync(join(folder, "all.ts"), `${imports}export const all = [${all}];\n`);
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["all.ts"] }));
  tool("tsc", "--noEmit");
}

/** What can be imported of a package: itself, and what it exports beside. */
function entriesOf({ name, exports }) {
  const paths = Object.keys(exports).filter((path) => !path.endsWith(".json"));
  return paths.map((path) => path.replace(".", name));
}

function importNames(node, library) {
  for (const name of entriesOf(library)) {
    const names = run(
      node,
      "--eval",
      `import("${name}").then((all) => console.log(Object.keys(all).length))`,
    );
    if (Number(names) === 0) throw new Error(`${name} exports nothing`);
  }
}

function runExample(node, { name, place }) {
  const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(place, "README.md"), "utf8"))?.[1];
  if (example === undefined) {
    throw new Error(`the README of ${name} has no example: a block that starts with \`\`\`js`);
  }
  writeFileSync(join(folder, "example.mjs"), example);
  if (run(node, "example.mjs").trim() === "") throw new Error(`the README example of ${name} prints nothing`);
}

function convert(node) {
  const cli = "node_modules/vlmopt/dist/main.js";
  const llava = join(root, "fixtures/checkpoints/llava");
  run(node, cli, "convert", llava, "llava-bf16", "--dtype", "bf16");
  const { tensors } = JSON.parse(run(node, cli, "inspect", "llava-bf16", "--json"));
  if (tensors.length === 0 || tensors.some(({ dtype }) => dtype !== "BF16")) {
    throw new Error("vlmopt convert --dtype bf16 wrote something else");
  }
  rmSync(join(folder, "llava-bf16"), { recursive: true });
}

function step(name, work) {
  work();
  console.log(`ok: ${name}`);
}

function tool(name, ...args) {
  return run(join(root, "node_modules/.bin", name), ...args);
}

function run(command, ...args) {
  try {
    // What onnxruntime-node's script would fetch, libraries of CUDA, is needed by none of the examples.
    const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" };
    return execFileSync(command, args, {
      cwd: folder,
      env,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    const output = error.stdout === undefined ? error.message : `${error.stdout}${error.stderr}`;
    throw new Error(`${command} ${args.join(" ")} failed:\n${output}`);
  }
}
