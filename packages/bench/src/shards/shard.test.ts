import { expect, test } from "vitest";
import { isInShard, parseShard, shardsWith } from "./shard.ts";

test("every item is of one shard, and shards are of about one size", () => {
  const ids = Array.from({ length: 3_200 }, (_, i) => `pope/${i}`);
  const sizes = Array.from({ length: 16 }, (_, i) =>
    ids.filter((id) => isInShard(id, { index: i + 1, count: 16 })),
  );
  expect(new Set(sizes.flat()).size).toBe(3_200);
  expect(sizes.flat()).toHaveLength(3_200);
  // Four standard deviations of a binomial of 200 on average.
  for (const { length } of sizes) expect(Math.abs(length - 200)).toBeLessThan(4 * Math.sqrt(200 * (15 / 16)));
});

test("an item's shard is the same on every machine", () => {
  // printf %s gqa/42 | sha256sum begins with 78593682.
  expect(isInShard("gqa/42", { index: (0x78593682 % 16) + 1, count: 16 })).toBe(true);
});

test("a shard is named by its number and how many there are", () => {
  expect(parseShard("3/16")).toEqual({ index: 3, count: 16 });
  for (const text of ["0/16", "17/16", "3", "3/0", "a/b", "-1/2"])
    expect(() => parseShard(text)).toThrow(`${JSON.stringify(text)} is no shard`);
  expect(shardsWith("2/3")).toEqual(["1/3", "2/3", "3/3"]);
});
