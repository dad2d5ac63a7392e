import {
  approximateRandomization,
  bertScore,
  bootstrapIntervals,
  cocoRougeL,
  type Encoder,
  holm,
  noSkillFloor,
  retention,
  rouge,
  type ScoredItem,
  scorecard,
  scorecardCsv,
  scorecardTable,
  topicTable,
} from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { meanMetric } from "../metric.ts";

const items: ScoredItem[] = [
  ["1", "the cat sat on the mat", "a cat", "the cat is on the mat", "cats"],
  ["2", "a dog\nran in the park", "a dog, perhaps", "a dog ran in a park", "dogs"],
  ["3", "", "cats sleep", "the cats are sleeping", "cats"],
  ["4", "dogs bark", "dogs", "dogs bark at cats", "dogs"],
  ["5", "no idea", "a tabby", "a tabby cat", "cats"],
].map(([id = "", prediction = "", versus = "", reference = "", topic = ""]) => ({
  id,
  prediction,
  versus,
  references: [reference],
  topic,
}));
const alone = items.map(({ versus: _, ...item }) => item);
const metric = rouge({ types: ["rouge1", "rougeL"] });
const predictions = items.map(({ prediction }) => prediction);
const others = items.map(({ versus }) => versus ?? "");
const references = items.map((item) => item.references);

describe("a scorecard", () => {
  it("has every figure with its interval, and every item", async () => {
    const card = await scorecard(alone, [metric, cocoRougeL()]);
    const result = metric.corpus(predictions, references);
    expect(card.count).toBe(5);
    expect(card.figures.map(({ metric, figure }) => `${metric} ${figure}`)).toEqual([
      ...metric.figures.map((figure) => `rouge ${figure}`),
      "rouge-coco rougeL",
    ]);
    expect(card.figures[0]).toEqual({
      metric: "rouge",
      figure: "rouge1",
      ...bootstrapIntervals(metric, result).rouge1,
    });
    expect(card.metrics).toEqual({ rouge: metric.signature, "rouge-coco": cocoRougeL().signature });
    expect(card.items[3]?.scores.rouge).toEqual(result.items[3]);
    expect(card.signature).toBe(
      "scorecard|texts:as-given|interval:percentile|zero-one:agresti-coull|confidence:0.95|resamples:1000|seed:12345|strata:no|version:0.1.0",
    );
  });

  it("is the same when made again, and survives JSON", async () => {
    const card = await scorecard(items, [metric], { by: "topic", retention: true });
    expect(await scorecard(items, [metric], { by: "topic", retention: true })).toEqual(card);
    const compared = await scorecard(items, [metric], { by: "topic" });
    expect(JSON.parse(JSON.stringify(compared))).toEqual(compared);
  });

  it("compares with another system, its p-values corrected for all headline figures", async () => {
    const { figures } = await scorecard(items, [metric, cocoRougeL()]);
    const [ours, theirs] = [metric.corpus(predictions, references), metric.corpus(others, references)];
    const comparison = approximateRandomization(metric, theirs, ours);
    const coco = cocoRougeL();
    const p = [
      comparison.rouge1?.p,
      comparison.rougeL?.p,
      approximateRandomization(coco, coco.corpus(others, references), coco.corpus(predictions, references))
        .rougeL?.p,
    ].map((x) => x ?? 0);
    const headline = figures.filter(({ versus }) => versus?.p !== undefined);
    expect(headline.map(({ figure }) => figure)).toEqual(["rouge1", "rougeL", "rougeL"]);
    expect(headline.map(({ versus }) => versus?.p)).toEqual(p);
    expect(headline.map(({ versus }) => versus?.pHolm)).toEqual(holm(p));
    expect(figures[0]?.versus?.value).toBe(theirs.aggregate.rouge1);
    expect(figures[0]?.versus?.difference).toBeCloseTo(comparison.rouge1?.difference ?? Number.NaN, 12);
  });

  it("says how much of the dense model's skill is kept", async () => {
    const { figures } = await scorecard(items, [metric], { retention: true, bootstrap: { seed: 3 } });
    const kept = retention(
      metric,
      {
        model: metric.corpus(predictions, references),
        dense: metric.corpus(others, references),
        floor: await noSkillFloor(metric, others, references, { seed: 3 }),
      },
      { seed: 3 },
    );
    expect(figures[0]?.retention).toEqual(kept.rouge1);
  });

  it("scores topics by themselves and draws resamples within them", async () => {
    const card = await scorecard(alone, [metric], { by: "topic" });
    const cats = [0, 2, 4];
    const ofCats = metric.corpus(
      cats.map((i) => predictions[i] ?? ""),
      cats.map((i) => references[i] ?? []),
    );
    expect(card.topics?.map(({ topic, count }) => [topic, count])).toEqual([
      ["cats", 3],
      ["dogs", 2],
    ]);
    expect(card.topics?.[0]?.figures[0]).toMatchObject({ ...bootstrapIntervals(metric, ofCats).rouge1 });
    const strata = items.map(({ topic }) => topic ?? "");
    const whole = metric.corpus(predictions, references);
    expect(card.figures[0]).toMatchObject({ ...bootstrapIntervals(metric, whole, { strata }).rouge1 });
  });

  it("names what it lacks", async () => {
    await expect(scorecard([], [metric])).rejects.toThrow("there are no items to score");
    await expect(
      scorecard([...items, { id: "6", prediction: "", references: [""] }], [metric]),
    ).rejects.toThrow("the other system answered 5 of 6 items; it must answer all");
    await expect(scorecard(alone, [metric], { retention: true })).rejects.toThrow(
      "retention needs another system, the dense model, to compare with",
    );
    const bare = { id: "6", prediction: "", references: [""] };
    await expect(scorecard([...alone, bare], [metric], { by: "topic" })).rejects.toThrow(
      "item 6 has no topic",
    );
  });
});

describe("the seed's conventions", () => {
  /** Sees the texts that it is to score. */
  const seen: string[] = [];
  const meteor = meanMetric("meteor", ["meteor"], "meteor", (prediction, [reference = ""]) => {
    seen.push(`${prediction}|${reference}`);
    return Float64Array.of(prediction.length / 100);
  });
  const encoder: Encoder = {
    name: "letters",
    layer: 0,
    encode: async (texts) =>
      texts.map((text) => ({
        ids: [...text].map((letter) => letter.codePointAt(0) as number),
        special: [...text].map(() => 0),
        embeddings: Float32Array.from([...text].flatMap((letter) => [1, (letter.codePointAt(0) ?? 0) / 100])),
      })),
  };
  const metrics = [meteor, rouge(), bertScore({ encoder })];

  it("put texts on one line, an empty answer as [NO ANSWER], and add Q", async () => {
    const card = await scorecard(items, metrics, { seedCompat: true });
    expect(seen).toContain("a dog ran in the park|a dog ran in a park");
    expect(seen).toContain("[NO ANSWER]|the cats are sleeping");
    const of = (name: string) => card.figures.find(({ figure }) => figure === name)?.value ?? Number.NaN;
    expect(of("q")).toBeCloseTo((of("meteor") + of("rouge1") + of("bertscore")) / 3, 12);
    const { scores } = card.items[0] ?? {};
    expect(scores?.q?.q).toBeCloseTo(
      ((scores?.meteor?.meteor ?? 0) + (scores?.rouge?.rouge1 ?? 0) + (scores?.bertscore?.bertscore ?? 0)) /
        3,
      12,
    );
    expect(card.metrics.q).toBe("q|of:meteor+rouge1+bertscore|version:0.1.0");
    expect(card.figures.find(({ figure }) => figure === "q")?.versus?.p).toBeGreaterThan(0);
    expect(card.signature).toContain("|texts:seed|");
  });

  it("have no Q where a part of it is missing, or where they are not asked for", async () => {
    const names = async (...given: Parameters<typeof scorecard>) =>
      Object.keys((await scorecard(...given)).metrics);
    expect(await names(alone, metrics.slice(0, 2), { seedCompat: true })).toEqual(["meteor", "rouge"]);
    expect(await names(alone, metrics)).toEqual(["meteor", "rouge", "bertscore"]);
  });
});

describe("a scorecard's tables", () => {
  it("show headline figures", async () => {
    const { head, rows } = scorecardTable(await scorecard(items, [metric], { retention: true }));
    expect(head).toEqual([
      ...["metric", "score", "95 % interval", "versus", "difference", "p (Holm)", "retention", ""],
    ]);
    expect(rows.map(([name]) => name)).toEqual(["rouge1", "rougeL"]);
    expect(rows[0]?.[1]).toMatch(/^0\.\d{4}$/);
    expect(rows[0]?.[2]).toMatch(/^0\.\d{4} – 0\.\d{4}$/);
    const plain = scorecardTable(await scorecard(alone, [metric], { bootstrap: { confidence: 0.9 } }));
    expect(plain.head).toEqual(["metric", "score", "90 % interval"]);
  });

  it("show topics", async () => {
    const table = topicTable(await scorecard(items, [metric], { by: "topic" }));
    expect(table?.head).toEqual(["topic", "items", "rouge1", "rougeL"]);
    expect(table?.rows.map((row) => row.slice(0, 2))).toEqual([
      ["cats", "3"],
      ["dogs", "2"],
    ]);
    expect(table?.rows[0]?.[2]).toMatch(/^0\.\d{4} \([+-]?0\.\d{4}\)$/);
    expect(topicTable(await scorecard(items, [metric]))).toBeUndefined();
  });

  it("are all there as CSV, quoted where they must be", async () => {
    const odd = alone.map((item) => ({ ...item, topic: 'so "called", cats' }));
    const csv = scorecardCsv(await scorecard(odd, [cocoRougeL()], { by: "topic" }));
    const [head, all, topic, end, ...more] = csv.split("\n");
    expect(head?.split(",")).toHaveLength(15);
    expect(all).toMatch(/^,5,rouge-coco,rougeL,0\.\d+,0\.\d+,0\.\d+,,,,,,,,rouge-coco\|/);
    expect(topic).toMatch(/^"so ""called"", cats",5,rouge-coco,rougeL,/);
    expect([end, more]).toEqual(["", []]);
  });
});
