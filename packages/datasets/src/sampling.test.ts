import { type Sampling, sampleRecords, type VqaRecord } from "@vlmopt/datasets";
import { describe, expect, it } from "vitest";

function records(topics: Readonly<Record<string, number>>): VqaRecord[] {
  return Object.entries(topics).flatMap(([topic, count]) =>
    Array.from({ length: count }, (_, n) => ({
      id: `${topic}${n}`,
      image: "i.png",
      question: "q",
      answers: ["a"],
      topic,
    })),
  );
}
const ids = (from: readonly VqaRecord[], sampling: Sampling) =>
  sampleRecords(from, sampling).map(({ id }) => id);

describe("a sample", () => {
  const thousand = records({ t: 1000 });

  it("of the first takes the first", () => {
    expect(ids(thousand, { method: "first", count: 2 })).toEqual(["t0", "t1"]);
    expect(sampleRecords(thousand, { method: "first", count: 5000 })).toHaveLength(1000);
  });

  it("of pictures takes all that is asked about each", () => {
    const asked = records({ t: 60 }).map((record, n) => ({ ...record, image: `${Math.floor(n / 4)}.png` }));
    const taken = sampleRecords(asked, { method: "pictures", count: 20, seed: 3 });
    const pictures = new Set(taken.map(({ image }) => image));
    expect(pictures.size).toBe(5);
    expect(taken).toEqual(asked.filter(({ image }) => pictures.has(image)));
    expect(sampleRecords(asked, { method: "pictures", count: 20, seed: 4 })).not.toEqual(taken);
  });

  const smallest = ["t416", "t428", "t518", "t585", "t735"];

  it("at random takes those of which SHA-256 of seed and id is smallest, in the records' order", () => {
    // hashlib.sha256(f"7\0t{n}".encode()).hexdigest(), the five smallest of n < 1000.
    expect(ids(thousand, { method: "random", count: 5, seed: 7 })).toEqual(smallest);
    expect(ids(thousand, { method: "random", count: 5, seed: 8 })).not.toEqual(smallest);
  });

  it("at random grows by addition, and does not hang on the other records", () => {
    const [few, many] = [50, 100].map((count) => ids(thousand, { method: "random", count, seed: 1 }));
    expect(many).toEqual(expect.arrayContaining(few as string[]));
    expect(
      sampleRecords([...thousand].reverse(), { method: "random", count: 50, seed: 1 })
        .map(({ id }) => id)
        .sort(),
    ).toEqual([...(few as string[])].sort());
  });

  it("at random takes every record about equally often", () => {
    const ten = records({ t: 10 });
    const times = new Map<string, number>();
    for (let seed = 0; seed < 2000; seed++) {
      for (const id of ids(ten, { method: "random", count: 3, seed }))
        times.set(id, (times.get(id) ?? 0) + 1);
    }
    // Binomial(2000, 0.3): mean 600, standard deviation 20.5; five of them either way.
    for (const count of times.values()) expect(Math.abs(count - 600)).toBeLessThan(103);
  });

  it("by topic gives each its share, the rest by largest remainder (Hamilton)", () => {
    // The shares of Wikipedia's example of the largest remainder method with the Hare quota: 1000 votes for 10 seats.
    const votes = records({ yellows: 470, whites: 160, reds: 159, greens: 120, blues: 60, pinks: 31 });
    const counts: Record<string, number> = {};
    for (const { topic } of sampleRecords(votes, { method: "stratified", count: 10, seed: 3 })) {
      counts[topic as string] = (counts[topic as string] ?? 0) + 1;
    }
    expect(counts).toEqual({ yellows: 5, whites: 2, reds: 1, greens: 1, blues: 1 });
  });

  it("by topic of all records is all records", () => {
    const all = records({ a: 3, b: 4 });
    expect(sampleRecords(all, { method: "stratified", count: 99 })).toEqual(all);
  });

  it.each([
    { method: "first", count: 0 },
    { method: "random", count: 1.5 },
    { method: "random", count: 1, seed: -1 },
    { method: "best", count: 1 },
  ])("%j is refused", (sampling) => {
    expect(() => sampleRecords(thousand, sampling as Sampling)).toThrow(/^the sampling is invalid: /);
  });
});
