// Writes the word lists of METEOR 1.5's English normaliser and scorer to packages/metrics/assets/meteor-1.5-english.json:
//   node tools/wordnet/meteor-lists.mjs --jar <meteor-1.5.jar>      (pycocoevalcap has it; needs unzip)
// assets/README.md says where the lists come from.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { jar: { type: "string" } } });
if (values.jar === undefined) throw new Error("tell the path of meteor-1.5.jar with --jar");
const lines = (file) =>
  execFileSync("unzip", ["-p", values.jar, file], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
const prefixes = lines("nonbreaking/english.prefixes").filter((line) => !line.startsWith("#"));
const numeric = (line) => /\s#NUMERIC_ONLY#/.test(line);
const word = (line) => line.split(/\s+/)[0];
const lists = {
  functionWords: lines("function/english.words"),
  prefixes: [...new Set(prefixes.filter((line) => !numeric(line)).map(word))],
  numericPrefixes: prefixes.filter(numeric).map(word),
};
const target = join(import.meta.dirname, "../../packages/metrics/assets/meteor-1.5-english.json");
writeFileSync(target, `${JSON.stringify(lists, undefined, 2)}\n`);
console.log(target, Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, list.length])));
