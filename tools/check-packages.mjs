// Packs every package that is published and checks the tarballs as their users meet them, in an empty folder outside the workspace:
// publint and attw find nothing wrong, npm installs them, TypeScript accepts their types, each can be imported, and the example of each
// README runs and prints something. With `--node <executable>` more than once, imports and examples run under each of them.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { node: { type: "string", multiple: true, default: [process.execPath] } },
});
const root = resolve(import.meta.dirname, "..");
const bin = (name) => join(root, "node_modules/.bin", name);
/** What a careful user has: library declarations are checked too, and no types are there that were not asked for. */
const compilerOptions = {
  strict: true,
  module: "NodeNext",
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable", "DOM"],
  types: [],
};
const folder = mkdtempSync(join(tmpdir(), "vlmopt-packages-"));
const packages = ["packages", "apps"]
  .flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)))
  .filter((place) => existsSync(join(place, "package.json")))
  .map((place) => ({ place, ...JSON.parse(readFileSync(join(place, "package.json"), "utf8")) }))
  .filter((manifest) => !manifest.private);

try {
  const tarballs = packages.map(({ name, place }) => {
    const tarball = join(folder, `${name.replace("@", "").replace("/", "-")}.tgz`);
    run("npx", ["-y", "pnpm@12", "pack", "--out", tarball], place);
    step(`${name}: publint`, () => run(bin("publint"), [tarball, "--strict"], folder));
    if (!name.startsWith("@")) return tarball;
    step(`${name}: attw`, () => run(bin("attw"), [tarball, "--profile", "esm-only"], folder));
    return tarball;
  });
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  step("npm install of the tarballs", () =>
    run("npm", ["install", "--no-audit", "--no-fund", ...tarballs], folder),
  );

  const libraries = packages.filter(({ name }) => name.startsWith("@"));
  const imports = libraries
    .map(({ name }, i) => `import * as m${i} from ${JSON.stringify(name)};`)
    .join("\n");
  writeFileSync(
    join(folder, "all.ts"),
    `${imports}\nexport const all = [${libraries.map((_, i) => `m${i}`)}];\n`,
  );
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["all.ts"] }));
  step("tsc of an import of each", () => run(bin("tsc"), ["--noEmit"], folder));
  for (const node of values.node) {
    const version = run(node, ["--version"], folder).trim();
    for (const { name, place } of libraries) {
      step(`${name}: import and README example on Node ${version}`, () => {
        run(
          node,
          [
            "-e",
            `import(${JSON.stringify(name)}).then((m) => { if (Object.keys(m).length === 0) process.exit(1); })`,
          ],
          folder,
        );
        const example = /```js\n([\s\S]*?)```/.exec(readFileSync(join(place, "README.md"), "utf8"))?.[1];
        if (example === undefined)
          throw new Error(`the README of ${name} has no example: a block that starts with \`\`\`js`);
        writeFileSync(join(folder, "example.mjs"), example);
        if (run(node, ["example.mjs"], folder).trim() === "") throw new Error("the example prints nothing");
      });
    }
    step(`vlmopt --help on Node ${version}`, () =>
      run(node, ["node_modules/vlmopt/dist/main.js", "--help"], folder),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function step(name, work) {
  work();
  console.log(`ok: ${name}`);
}

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    console.error(`${command} ${args.join(" ")} failed:\n${error.stdout}${error.stderr}`);
    process.exit(1);
  }
}
