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
])("%j is %j: %s", (answer, person) => {
  const authors = vqaAccuracy({ normalise: "unless-unanimous" });
  const [some, all] = [ten({ [person]: 9, other: 1 }), ten({ [person]: 10 })];
  expect([accuracy(answer, some), accuracy(answer, all)]).toEqual([1, 1]);
  expect(authors.score(answer, some)["vqa-accuracy-authors"]).toBe(1);
  // Where people all agree, the authors compare texts as they are.
  expect(authors.score(answer, all)["vqa-accuracy-authors"]).toBe(0);
});

test("signatures tell the two ways apart", () => {
  expect(vqaAccuracy().signature).toMatch(/^vqa-accuracy\|variant:lmms-eval\|norm:always\|/);
  expect(vqaAccuracy({ normalise: "unless-unanimous" }).signature).toMatch(
    /^vqa-accuracy\|variant:v2\|norm:unless-unanimous\|/,
  );
});

test.each([1, 2, 3])("answers of %i people are refused, with the metric to take", (count) => {
  const people = Array<string>(count).fill("yes");
  const message = `vqa-accuracy needs at least 4 references an item, and item 2 of 2 has ${count}: take exact-match`;
  expect(() => vqaAccuracy().corpus(["yes", "yes"], [ten({ yes: 10 }), people])).toThrow(message);
  expect(() => vqaAccuracy().score("yes", people)).toThrow(`item 1 of 1 has ${count}`);
  expect(accuracy("yes", ["yes", "yes", "yes", "yes"])).toBe(1);
});

test("blanks at the ends are Python's, not JavaScript's", () => {
  expect(accuracy("\x1cyes\x85", ten({ yes: 10 }))).toBe(1);
  expect(accuracy("\ufeffyes", ten({ yes: 10 }))).toBe(0);
});

test("capitals of I keep their contractions apart, as in the evaluation, which looks for them in small letters", () => {
  expect(accuracy("Im here", ten({ "i'm here": 9, other: 1 }))).toBe(0);
});

interface Golden {
  readonly prediction: string;
  readonly references: readonly string[];
  /** By the authors' evaluation. */
  readonly accuracy: number;
  /** By lmms-eval's. */
  readonly always: number;
}

// By tools/reference/metrics_vqa.py, which runs the authors' evaluation, and lmms-eval's over it.
test.each([
  ["the authors'", "accuracy", "unless-unanimous"],
  ["lmms-eval's", "always", "always"],
] as const)("is %s evaluation's for varied answers", (_, key, normalise) => {
  const golden = new URL("../../goldens/vqa.json.gz", import.meta.url);
  const cases = JSON.parse(gunzipSync(readFileSync(golden)).toString()) as Golden[];
  const metric = vqaAccuracy({ normalise });
  expect(cases).toHaveLength(840);
  expect(cases.filter(({ accuracy, always }) => accuracy !== always).length).toBeGreaterThan(150);
  for (const item of cases) {
    const score = metric.score(item.prediction, item.references)[metric.name];
    expect(score, JSON.stringify(item)).toBeCloseTo(item[key], 9);
  }
});
