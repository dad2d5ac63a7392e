import { expect, test } from "vitest";
import { seededRandom } from "../statistics/random.ts";
import { editDistance } from "./edit-distance.ts";

const codes = (text: string) => Uint32Array.from([...text], (character) => character.codePointAt(0) ?? 0);

// Of Navarro's survey (2001) and everybody's textbooks.
test.each([
  ["kitten", "sitting", 3],
  ["survey", "surgery", 2],
  ["intention", "execution", 5],
  ["", "abc", 3],
  ["same", "same", 0],
  ["🙂🙃", "🙃", 1],
  ["a".repeat(100), "b".repeat(70), 100],
])("%j and %j are %i apart", (a, b, distance) => {
  expect(editDistance(codes(a), codes(b))).toBe(distance);
  expect(editDistance(codes(b), codes(a))).toBe(distance);
});

/** Row by row (Wagner and Fischer 1974). */
function plainDistance(a: Uint32Array, b: Uint32Array): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, character] of a.entries()) {
    const row = [i + 1];
    for (const [j, other] of b.entries()) {
      const replaced = (above[j] as number) + (character === other ? 0 : 1);
      row.push(Math.min(replaced, (above[j + 1] as number) + 1, (row[j] as number) + 1));
    }
    above = row;
  }
  return above[b.length] as number;
}

test("texts of every length around the width of words are as far apart as row by row", () => {
  const random = seededRandom(11);
  for (let i = 0; i < 600; i++) {
    const letters = 1 + random.below(5);
    const [a, b] = [0, 0].map(() =>
      Uint32Array.from({ length: random.below(140) }, () => random.below(letters)),
    );
    expect(editDistance(a as Uint32Array, b as Uint32Array)).toBe(
      plainDistance(a as Uint32Array, b as Uint32Array),
    );
  }
});
