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
