import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { allowedImports, importProblems } from "./import-directions.mjs";

const models = { name: "@vlmopt/models", dependencies: { "@vlmopt/tensor-io": "workspace:^" } };

test("types may be imported where types alone are allowed, however they are written", () => {
  const files = {
    "src/a.ts": 'import type { Dtype } from "@vlmopt/tensor-io";\n',
    "src/b.ts": 'import { type Dtype, type Shape } from "@vlmopt/tensor-io";\n',
    "src/c.ts": 'export type { Dtype } from "@vlmopt/tensor-io";\n',
    "src/d.ts": 'export { type Dtype } from "@vlmopt/tensor-io";\n',
    "src/e.ts": 'export type D = import("@vlmopt/tensor-io").Dtype;\n',
  };
  assert.deepEqual(problems(models, files), []);
});

test("values may not be imported where types alone are allowed", () => {
  const may = "@vlmopt/models may not import @vlmopt/tensor-io but its types";
  const files = {
    "src/a.ts": '\nimport { cast } from "@vlmopt/tensor-io";\n',
    "src/b.ts": 'import { cast, type Dtype } from "@vlmopt/tensor-io";\n',
    "src/c.ts": 'import * as io from "@vlmopt/tensor-io";\n',
    "src/d.ts": 'export * from "@vlmopt/tensor-io";\n',
    "src/e.ts": 'import "@vlmopt/tensor-io";\n',
    "src/f.ts": 'const io = await import("@vlmopt/tensor-io");\n',
    "src/g.ts": 'import io, { type Dtype } from "@vlmopt/tensor-io";\n',
  };
  assert.deepEqual(problems(models, files), [
    `src/a.ts:2: ${may}`,
    ...["b", "c", "d", "e", "f", "g"].map((name) => `src/${name}.ts:1: ${may}`),
  ]);
});

test("a package may not import one that the table does not give it", () => {
  const manifest = { name: "@vlmopt/metrics", dependencies: { "@vlmopt/engine": "workspace:^" } };
  assert.deepEqual(problems(manifest, { "src/a.ts": 'import type { E } from "@vlmopt/engine";' }), [
    "src/a.ts:1: @vlmopt/metrics may not import @vlmopt/engine",
  ]);
});

test("no package may import the command line", () => {
  const manifest = { name: "@vlmopt/pruning", dependencies: { vlmopt: "workspace:^" } };
  assert.deepEqual(problems(manifest, { "src/a.ts": 'import { run } from "vlmopt";' }), [
    "src/a.ts:1: @vlmopt/pruning may not import vlmopt",
  ]);
});

test("a package must be in the table before it imports or is imported", () => {
  const manifest = {
    name: "@vlmopt/new",
    dependencies: { "@vlmopt/models": "workspace:^", "@vlmopt/other": "workspace:^" },
  };
  const files = { "src/a.ts": 'import "@vlmopt/models";\nimport "@vlmopt/other";\n' };
  assert.deepEqual(problems(manifest, files), [
    "src/a.ts:1: @vlmopt/new is not in the table of allowed imports",
    "src/a.ts:2: @vlmopt/other is not in the table of allowed imports",
  ]);
});

test("what is imported must be declared, for tests among devDependencies too", () => {
  const manifest = {
    name: "@vlmopt/metrics",
    dependencies: { zod: "*" },
    devDependencies: { "@scope/lib": "*" },
  };
  const files = {
    "src/a.ts": 'import "zod/v4";\nimport "@scope/lib/deep";\nimport "node:fs";\n',
    "src/a.test.ts": 'import "@scope/lib";\nimport "absent";\n',
  };
  assert.deepEqual(problems(manifest, files), [
    "src/a.ts:2: @scope/lib is not among the dependencies of @vlmopt/metrics",
    "src/a.test.ts:2: absent is not among the dependencies of @vlmopt/metrics",
  ]);
});

test("modules of Node are named node:…", () => {
  assert.deepEqual(problems(models, { "src/a.ts": 'import { join } from "path/posix";' }), [
    "src/a.ts:1: path/posix is a module of Node: write node:path/posix",
  ]);
});

test("only tests import their own package by name", () => {
  const files = {
    "src/a.ts": 'import "@vlmopt/models";',
    "src/a.test.ts": 'import "@vlmopt/models";',
    "src/test-support/b.ts": 'import "@vlmopt/models";',
  };
  assert.deepEqual(problems(models, files), ["src/a.ts:1: only a test may import its own package by name"]);
});

test("files that import each other in a circle are found, circles of types are not", () => {
  const files = {
    "src/a.ts": 'import { b } from "./sub/b.ts";',
    "src/sub/b.ts": 'export * from "./c.ts";',
    "src/sub/c.ts": 'const a = await import("../a.ts");',
    "src/d.ts": 'import type { E } from "./e.ts";',
    "src/e.ts": 'import { d } from "./d.ts";',
  };
  assert.deepEqual(problems(models, files), [
    "src/a.ts → src/sub/b.ts → src/sub/c.ts → src/a.ts: files import each other in a circle",
  ]);
});

test("docs/architecture.md shows the table that is checked", () => {
  const text = readFileSync(new URL("../docs/architecture.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| `(?:packages|apps)\/([\w-]+)` *\|[^|]*\| *([^|]*?) *\|$/gm)];
  const documented = Object.fromEntries(
    rows.map(([, name, may]) => [name === "cli" ? "vlmopt" : `@vlmopt/${name}`, packagesOf(may)]),
  );
  assert.deepEqual(documented, allowedImports);
});

/** "tensor-io, models" or "types of tensor-io" as the table of the script writes it. */
function packagesOf(may) {
  if (may === "everything") return may;
  if (may === "nothing") return [];
  return may
    .split(", ")
    .map((name) => name.replace(/^types of (.*)$/, "$1 (types)"))
    .map((name) => `@vlmopt/${name}`);
}

function problems(manifest, files) {
  return importProblems(manifest, new Map(Object.entries(files)));
}
