import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { snowballEnglishStem } from "./snowball-english.ts";

it("stems 4,445 words, made of every suffix, as METEOR 1.5 does", () => {
  // Made by tools/reference/metrics_meteor15.py with the stemmer in METEOR's jar.
  const file = readFileSync(new URL("../../goldens/meteor15-stems.json.gz", import.meta.url));
  const { words, stems } = JSON.parse(gunzipSync(file).toString()) as { words: string[]; stems: string[] };
  expect(words).toHaveLength(4445);
  expect(words.map(snowballEnglishStem)).toEqual(stems);
});
