// Scores ANLS of long texts beside ROUGE-L of the same ones: two costs that grow with both texts' lengths.
//   node benchmarks/anls.mjs [--pairs 200] [--words 400] [--rounds 5]
import { parseArgs } from "node:util";
import { anls, rouge } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: {
    pairs: { type: "string", default: "200" },
    words: { type: "string", default: "400" },
    rounds: { type: "string", default: "5" },
  },
});
const [count, words, rounds] = [Number(values.pairs), Number(values.words), Number(values.rounds)];
let state = 1;
const below = (limit) => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state >>> 8) % limit;
};
const vocabulary = Array.from({ length: 3000 }, () =>
  Array.from({ length: 3 + below(7) }, () => "aeiourstlndcmp"[below(14)]).join(""),
);
const text = () =>
  Array.from({ length: words }, () => vocabulary[Math.floor(below(3000) ** 2 / 3000)]).join(" ");
const predictions = Array.from({ length: count }, text);
const references = predictions.map(() => [text()]);
const [similarity, overlap] = [anls(), rouge()];
const timed = await sideBySide(
  {
    rouge: () => void overlap.corpus(predictions, references),
    anls: () => void similarity.corpus(predictions, references),
  },
  { rounds },
);
printTable([
  [`${count} pairs of ${words} words`, "seconds", "times ROUGE's speed"],
  ...Object.entries(timed).map(([name, { seconds, ratio }]) => [name, seconds.toFixed(3), ratio.toFixed(2)]),
]);
