// Checks that the arrows of docs/architecture.md hold:
// - a package imports only the workspace packages that the table below allows, and only their types where it says so;
// - it declares what it imports;
// - no file of a package imports itself, by whatever way round.
// Prints one line for each thing wrong and exits 1 if there is any.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

/** Package → packages it may import; `types` in brackets for those of which it may import types alone. */
const allowed = {
  "@vlmopt/tensor-io": [],
  "@vlmopt/models": ["@vlmopt/tensor-io (types)"],
  "@vlmopt/pruning": ["@vlmopt/tensor-io", "@vlmopt/models"],
  "@vlmopt/quant": ["@vlmopt/tensor-io", "@vlmopt/models"],
  "@vlmopt/engine": ["@vlmopt/tensor-io", "@vlmopt/models", "@vlmopt/quant"],
  "@vlmopt/metrics": [],
  "@vlmopt/datasets": [],
  "@vlmopt/bench": ["@vlmopt/engine", "@vlmopt/metrics", "@vlmopt/datasets"],
  vlmopt: "everything",
};

const root = resolve(import.meta.dirname, "..");
const problems = [];

for (const folder of ["packages", "apps"].flatMap((group) => packageFolders(join(root, group)))) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const graph = new Map(sourceFiles(join(folder, "src")).map((file) => [file, importsOf(file)]));
  for (const [file, imports] of graph) for (const found of imports) check(manifest, file, found);
  for (const cycle of cyclesOf(graph))
    problems.push(`${cycle.map(named).join(" → ")}: files import each other in a circle`);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log("imports go the ways that docs/architecture.md allows");

function packageFolders(group) {
  return readdirSync(group)
    .map((name) => join(group, name))
    .filter((folder) => existsSync(join(folder, "package.json")));
}

function sourceFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Static and dynamic imports and re-exports of a file. */
function importsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    const isStatic = ts.isImportDeclaration(node) || ts.isExportDeclaration(node);
    const specifier = isStatic
      ? node.moduleSpecifier
      : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
        ? node.arguments[0]
        : undefined;
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push({
        specifier: specifier.text,
        typesOnly: isStatic && importsTypesOnly(node),
        line: line + 1,
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function importsTypesOnly(node) {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  const elements =
    clause?.namedBindings && ts.isNamedImports(clause.namedBindings) ? clause.namedBindings.elements : [];
  return clause?.isTypeOnly || (elements.length > 0 && elements.every((element) => element.isTypeOnly));
}

function check(manifest, file, { specifier, typesOnly, line }) {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return;
  const place = `${named(file)}:${line}`;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  if (builtinModules.includes(name)) {
    problems.push(`${place}: ${specifier} is a module of Node: write node:${specifier}`);
    return;
  }
  if (name === manifest.name) {
    if (!isTest(file)) problems.push(`${place}: only a test may import its own package by name`);
    return;
  }
  const declared = {
    ...manifest.dependencies,
    ...manifest.peerDependencies,
    ...manifest.optionalDependencies,
  };
  if (!(name in declared) && !(isTest(file) && name in (manifest.devDependencies ?? {}))) {
    problems.push(`${place}: ${name} is not among the dependencies of ${manifest.name}`);
  }
  if (!name.startsWith("@vlmopt/")) return;
  const arrows = allowed[manifest.name];
  if (arrows === undefined)
    problems.push(`${place}: ${manifest.name} is not in the table of tools/check-imports.mjs`);
  else if (
    arrows !== "everything" &&
    !arrows.includes(name) &&
    !(typesOnly && arrows.includes(`${name} (types)`))
  ) {
    const types = arrows.includes(`${name} (types)`) ? " but its types" : "";
    problems.push(`${place}: ${manifest.name} may not import ${name}${types}`);
  }
}

function isTest(file) {
  return file.endsWith(".test.ts") || file.includes("/test-support/");
}

/** Circles among the files that need each other at run time. */
function cyclesOf(graph) {
  const cycles = [];
  const done = new Set();
  const walk = (file, path) => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    if (done.has(file)) return;
    for (const { specifier, typesOnly } of graph.get(file) ?? []) {
      if (specifier.startsWith(".") && !typesOnly) walk(resolve(dirname(file), specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return cycles;
}

function named(file) {
  return relative(root, file);
}
