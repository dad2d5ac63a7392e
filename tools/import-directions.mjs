// Which package may import which, and what a package's imports do against that.
import { builtinModules } from "node:module";
import { posix } from "node:path";
import ts from "typescript";

/**
 * Package → packages it may import; `(types)` marks those of which it may import types alone. `docs/architecture.md` shows the
 * same table to people.
 */
export const allowedImports = {
  "@vlmopt/files": [],
  "@vlmopt/options": [],
  "@vlmopt/tensor-io": ["@vlmopt/files", "@vlmopt/options"],
  "@vlmopt/models": ["@vlmopt/tensor-io (types)"],
  "@vlmopt/pruning": ["@vlmopt/tensor-io", "@vlmopt/models", "@vlmopt/options"],
  "@vlmopt/quant": ["@vlmopt/tensor-io", "@vlmopt/models", "@vlmopt/options"],
  "@vlmopt/compress": [
    "@vlmopt/files",
    "@vlmopt/tensor-io",
    "@vlmopt/models",
    "@vlmopt/pruning",
    "@vlmopt/quant",
    "@vlmopt/options",
  ],
  "@vlmopt/recover": ["@vlmopt/files", "@vlmopt/tensor-io", "@vlmopt/models", "@vlmopt/options"],
  "@vlmopt/engine": ["@vlmopt/tensor-io", "@vlmopt/models", "@vlmopt/quant", "@vlmopt/options"],
  "@vlmopt/metrics": ["@vlmopt/options"],
  "@vlmopt/datasets": ["@vlmopt/files", "@vlmopt/options"],
  "@vlmopt/bench": [
    "@vlmopt/files",
    "@vlmopt/tensor-io",
    "@vlmopt/models",
    "@vlmopt/pruning",
    "@vlmopt/quant",
    "@vlmopt/compress",
    "@vlmopt/recover",
    "@vlmopt/engine",
    "@vlmopt/metrics",
    "@vlmopt/datasets",
    "@vlmopt/options",
  ],
  vlmopt: "everything",
  "@vlmopt/playground": ["@vlmopt/tensor-io", "@vlmopt/engine"],
};

/**
 * One sentence for each import of a package that goes a way it may not, is not declared, or closes a circle of files.
 * `files`: path → text of the package's TypeScript files, tests included; paths with `/`.
 */
export function importProblems(manifest, files) {
  const graph = new Map([...files].map(([file, text]) => [file, importsOf(file, text)]));
  const problems = [];
  for (const [file, imports] of graph) {
    for (const found of imports) {
      for (const problem of problemsOf(manifest, file, found)) {
        problems.push(`${file}:${found.line}: ${problem}`);
      }
    }
  }
  for (const circle of circlesOf(graph)) {
    problems.push(`${circle.join(" → ")}: files import each other in a circle`);
  }
  return problems;
}

/** Every import and re-export of a file, dynamic ones and types written `import("…")` too. */
function importsOf(file, text) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    const specifier = specifierOf(node);
    if (specifier !== undefined && ts.isStringLiteral(specifier)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      found.push({ specifier: specifier.text, typesOnly: importsTypesOnly(node), line: line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function specifierOf(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) return node.argument.literal;
  const isDynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
  return isDynamic ? node.arguments[0] : undefined;
}

function importsTypesOnly(node) {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isCallExpression(node)) return false;
  const clause = ts.isImportDeclaration(node) ? node.importClause : node;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const names = (ts.isImportClause(clause) ? clause.namedBindings : clause.exportClause)?.elements ?? [];
  return clause.name === undefined && names.length > 0 && names.every((name) => name.isTypeOnly);
}

function problemsOf(manifest, file, { specifier, typesOnly }) {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return [];
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (builtinModules.includes(name)) {
    return [`${specifier} is a module of Node: write node:${specifier}`];
  }
  if (name === manifest.name) {
    return isTest(file) ? [] : ["only a test may import its own package by name"];
  }
  const problems = [];
  const { dependencies, peerDependencies, optionalDependencies, devDependencies } = manifest;
  const declared = { ...dependencies, ...peerDependencies, ...optionalDependencies };
  if (!(name in declared || (isTest(file) && name in (devDependencies ?? {})))) {
    problems.push(`${name} is not among the dependencies of ${manifest.name}`);
  }
  const direction = directionProblem(manifest.name, name, typesOnly);
  return direction === undefined ? problems : [...problems, direction];
}

function directionProblem(importer, imported, typesOnly) {
  if (!(imported in allowedImports)) {
    return imported.startsWith("@vlmopt/") ? `${imported} is not in the table of allowed imports` : undefined;
  }
  const allowed = allowedImports[importer];
  if (allowed === undefined) return `${importer} is not in the table of allowed imports`;
  if (allowed === "everything" || allowed.includes(imported)) return undefined;
  const types = allowed.includes(`${imported} (types)`);
  if (types && typesOnly) return undefined;
  return `${importer} may not import ${imported}${types ? " but its types" : ""}`;
}

function isTest(file) {
  return file.endsWith(".test.ts") || file.includes("/test-support/");
}

/** Circles among the files that need each other at run time; those that share types alone may refer to each other. */
function circlesOf(graph) {
  const circles = [];
  const done = new Set();
  const walk = (file, path) => {
    if (path.includes(file)) {
      circles.push([...path.slice(path.indexOf(file)), file]);
      return;
    }
    if (done.has(file)) return;
    for (const { specifier, typesOnly } of graph.get(file) ?? []) {
      if (!specifier.startsWith(".") || typesOnly) continue;
      walk(posix.join(posix.dirname(file), specifier), [...path, file]);
    }
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return circles;
}
