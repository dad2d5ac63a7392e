import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { vqaAccuracy } from "@vlmopt/metrics";
import { expect, test } from "vitest";

const accuracy = (answer: string, people: readonly string[]) =>
  vqaAccuracy().score(answer, people)["vqa-accuracy"];
const ten = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).flatMap(([answer, count]) => Array<string>(count).fill(answer));

// min(1, n / 3) for each of ten people left out: of n who agree, n see n − 1 others and 10 − n see all n (Antol et al. 2015).
test.each([
  [0, 0],
  [1, 0.3],
  [2, 0.6],
  [3, 0.9],
  [4, 1],
  [10, 1],
])("%i of ten people who agree make %f", (count, expected) => {
  expect(accuracy("yes", ten({ yes: count, no: 10 - count }))).toBeCloseTo(expected, 12);
});

// Worked by hand from the evaluation's rules.
test.each([
  ["two", "2", "numbers are digits"],
  ["the red Car", "red car", "articles and capitals do not count"],
  ["it's a dog!", "it's dog", "marks vanish"],
  ["dont know", "don't know", "contractions get their apostrophe"],
  ["left/right", "left right", "marks without blanks around become blanks"],
  ["1,000 cats", "1000 cats", "commas between digits vanish"],
  ["3.5 m.", "3.5 m", "periods stay before digits alone"],
  ["none", "0", "none is zero"],
])("%j is %j where people do not all agree: %s", (answer, person) => {
  expect(accuracy(answer, ten({ [person]: 9, other: 1 }))).toBe(1);
  // Where they do, texts are compared as they are.
  expect(accuracy(answer, ten({ [person]: 10 }))).toBe(0);
});

test("capitals of I keep their contractions apart, as in the evaluation, which looks for them in small letters", () => {
  expect(accuracy("Im here", ten({ "i'm here": 9, other: 1 }))).toBe(0);
});

// By tools/reference/metrics_vqa.py, which runs the authors' evaluation.
test("is the authors' evaluation's for 600 varied answers", () => {
  const golden = new URL("../../goldens/vqa.json.gz", import.meta.url);
  const cases = JSON.parse(gunzipSync(readFileSync(golden)).toString()) as {
    readonly prediction: string;
    readonly references: readonly string[];
    readonly accuracy: number;
  }[];
  for (const { prediction, references, accuracy: expected } of cases) {
    expect(accuracy(prediction, references), JSON.stringify([prediction, references])).toBeCloseTo(
      expected,
      9,
    );
  }
});
