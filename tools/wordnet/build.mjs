// Packs what METEOR needs of WordNet 3.0 into packages/metrics/assets/wordnet-3.0.br, and its licence beside it, from the dict folder of
// Debian's wordnet-base:
//   node tools/wordnet/build.mjs [--dict /usr/share/wordnet]
// The same dict gives the same bytes. packages/metrics/assets/README.md describes the sections.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, constants } from "node:zlib";

const { values } = parseArgs({ options: { dict: { type: "string", default: "/usr/share/wordnet" } } });
const assets = join(import.meta.dirname, "../../packages/metrics/assets");
const PARTS_OF_SPEECH = ["noun", "verb", "adj", "adv"];

/**
 * Debian mends the spelling of three glosses, which moves the byte offsets of the synsets after them. METEOR 1.5 tells synsets apart by
 * Princeton's offsets alone, whatever their part of speech, so these are needed to know which of them it confuses.
 */
const MOVED = [
  { part: "verb", from: 613036, to: 2423650, by: 18 },
  { part: "adj", from: 1681478, to: Number.POSITIVE_INFINITY, by: 1 },
];

const read = (file) => readFileSync(join(values.dict, file), "latin1");
/** Lines of a database file without the licence at its top. */
const records = (file) =>
  read(file)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(" "));

/** Names of one word, per synset. */
const names = [];
/** part of speech + offset → number of the synset */
const numbers = new Map();
const withPrincetonOffset = new Map();
for (const part of PARTS_OF_SPEECH) {
  const lines = records(`data.${part}`);
  const offsets = new Set(lines.map((line) => Number(line.slice(0, 8))));
  for (const line of lines) {
    const fields = line.split(" ");
    const offset = Number(fields[0]);
    const number = names.length;
    numbers.set(part + offset, number);
    const moved = MOVED.find(
      ({ part: its, from, to }) => its === part && offsets.has(from) && offset >= from && offset <= to,
    );
    const princeton = offset - (moved?.by ?? 0);
    withPrincetonOffset.set(princeton, [...(withPrincetonOffset.get(princeton) ?? []), number]);
    const words = Array.from({ length: Number.parseInt(fields[3], 16) }, (_, i) =>
      // Adjectives bear their position in parentheses.
      fields[4 + 2 * i].replace(/\([^()]*\)$/, ""),
    );
    names.push(words.filter((word) => !word.includes("_")).join(" "));
  }
}

/** lemma → synset numbers per part of speech */
const lemmas = new Map();
for (const [p, part] of PARTS_OF_SPEECH.entries()) {
  for (const line of records(`index.${part}`)) {
    const fields = line.trimEnd().split(" ");
    const offsets = fields.slice(-Number(fields[2]));
    const senses = lemmas.get(fields[0]) ?? [[], [], [], []];
    senses[p] = offsets.map((offset) => numbers.get(part + Number(offset)));
    if (senses[p].includes(undefined)) throw new Error(`index.${part}: ${fields[0]} names no synset`);
    lemmas.set(fields[0], senses);
  }
}
const sorted = [...lemmas.keys()].sort((a, b) => (a < b ? -1 : 1));

/** Little-endian groups of seven bits. */
function varint(bytes, value) {
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  bytes.push(rest);
}
const senses = [];
for (const lemma of sorted) {
  for (const list of lemmas.get(lemma)) {
    varint(senses, list.length);
    for (const number of list) varint(senses, number);
  }
}

const sections = {
  lemmas: Buffer.from(sorted.join("\n")),
  senses: Buffer.from(senses),
  names: Buffer.from(names.join("\n")),
  exceptions: Buffer.from(
    PARTS_OF_SPEECH.map((part) =>
      records(`${part}.exc`)
        .map((line) => line.trim())
        .join("\n"),
    ).join("\n\n"),
  ),
  sameOffset: Buffer.from(
    [...withPrincetonOffset.values()]
      .filter((sharing) => sharing.length > 1)
      .map((sharing) => sharing.join(" "))
      .join("\n"),
  ),
};
const header = {
  synsets: names.length,
  ...Object.fromEntries(Object.entries(sections).map(([k, v]) => [k, v.length])),
};
const raw = Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), ...Object.values(sections)]);
const packed = brotliCompressSync(raw, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
  },
});
writeFileSync(join(assets, "wordnet-3.0.br"), packed);
const licence = read("data.noun")
  .split("\n")
  .filter((line) => line.startsWith("  "))
  .map((line) => line.replace(/^ +\d+ /, "").trimEnd());
writeFileSync(join(assets, "LICENSE-WordNet.txt"), `${licence.join("\n").trim()}\n`);
console.log(
  `${sorted.length} lemmas, ${names.length} synsets, ${raw.length} → ${packed.length} bytes`,
  header,
);
