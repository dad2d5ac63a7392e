import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readRun } from "../records/run-folder.ts";
import type { RunSummary, VariantSummary } from "../records/run-summary.ts";
import { resultsCsv, resultsMarkdown, resultTable } from "./result-table.ts";

const { summary } = await readRun(resolve(import.meta.dirname, "../../goldens/example-run"));
const named = (name: string, changes: Partial<VariantSummary> = {}): RunSummary => ({
  ...summary,
  variants: [{ ...(summary.variants[0] as VariantSummary), name, ...changes }],
});

test("CSV begins with the seed's columns", () => {
  const [head = "", first = ""] = resultsCsv(summary).split("\r\n");
  expect(head.split(",").slice(0, 16)).toEqual([
    ...[
      "model",
      "quantization",
      "load_time_s",
      "model_size_mb",
      "model_parameters",
      "avg_latency_s",
      "mean_answer_length",
    ],
    ...[
      "meteor",
      "sacrebleu",
      "rouge1",
      "rouge2",
      "rougeL",
      "bertscore_precision",
      "bertscore_recall",
      "bertscore_f1",
    ],
    "perplexity",
  ]);
  expect(first.split(",").slice(0, 3)).toEqual(["dense", "f16", "0.182"]);
  expect(resultsCsv(summary).split("\r\n")).toHaveLength(summary.variants.length + 2);
});

test("names with commas, quotes and line breaks stay one cell", () => {
  expect(resultsCsv(named('a, "b"\nc')).split("\r\n")[1]).toMatch(/^"a, ""b""\nc",f16,/);
});

test("what is not known is empty or a dash, never 0", () => {
  const unknown = named("lost", { answerLatency: null, speed: null, size: null, quality: [], q: null });
  expect(resultsCsv(unknown).split("\r\n")[1]).toMatch(/^lost,f16,,,,,/);
  expect(resultTable(unknown).rows[0]?.slice(2, 6)).toEqual(["–", "–", "–", "–"]);
});

test("Markdown has a row for each variant, and the failures with their reasons", () => {
  const text = resultsMarkdown(summary);
  expect(text.split("\n").filter((line) => line.startsWith("| "))).toHaveLength(summary.variants.length + 2);
  expect(text).toMatch(/Failed:\n\n- heads 75: .+/);
  expect(resultsMarkdown(named("a|b"))).toContain("a\\|b");
});

test("what is kept stands with its interval, and exact match beside the figure that stands for quality", () => {
  const [dense] = summary.variants;
  const retention = {
    ofDense: 0.962,
    ofDenseLow: 0.912,
    ofDenseHigh: 1.004,
    aboveFloor: 0.93,
    low: 0.84,
    high: 1.01,
    floor: 0.3,
  };
  const of = (figure: string, score: number, p = 1) => ({
    ...{ metric: figure, figure, score, low: score - 0.1, high: score + 0.1, signature: figure, retention },
    versus: { difference: -0.1, p, exact: true },
  });
  const changes = { ...dense, q: of("q", 0.9), quality: [of("meteor", 0.8), of("exact-match", 0.7, 0.03)] };
  const { head, rows } = resultTable(named("int4", changes));
  expect(head.slice(-5)).toEqual(["Q", "METEOR", "exact match", "kept", "above chance"]);
  expect(rows[0]?.slice(-5)).toEqual(["0.900", "0.800", "0.700*", "96 % (91–100)", "93 % (84–101)"]);
  const [header = "", line = ""] = resultsCsv(named("int4", changes)).split("\r\n");
  const cells = new Map(header.split(",").map((name, i) => [name, line.split(",")[i]]));
  expect([
    cells.get("q_kept_low"),
    cells.get("q_above_chance_high"),
    cells.get("exact-match_versus_p"),
  ]).toEqual(["0.912", "1.01", "0.03"]);
});
