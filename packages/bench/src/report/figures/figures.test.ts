import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readRun } from "../../records/run-folder.ts";
import type { VariantSummary } from "../../records/run-summary.ts";
import { figuresOf } from "../write-report.ts";
import { frontierFigure } from "./frontier.ts";
import { paretoFront, unbeaten } from "./pareto.ts";
import { type Box, overlap, placeLabels } from "./place-labels.ts";
import { pngOf } from "./svg-document.ts";

const { summary } = await readRun(resolve(import.meta.dirname, "../../../goldens/example-run"));

test("the front is what nothing beats in both", () => {
  const points = [
    { x: 3, y: 5 },
    { x: 1, y: 1 },
    { x: 2, y: 4 },
    { x: 2, y: 3 },
    { x: 4, y: 5 },
    { x: 5, y: 6 },
  ];
  expect(paretoFront(points)).toEqual([
    { x: 1, y: 1 },
    { x: 2, y: 4 },
    { x: 3, y: 5 },
    { x: 5, y: 6 },
  ]);
});

test("what lies within each other's intervals is not ordered, and what is beaten by more is left out", () => {
  const best = { x: 10, y: 0.8, xInterval: [9, 11], yInterval: [0.75, 0.85] } as const;
  const alike = { x: 10.5, y: 0.79, xInterval: [9.5, 11.5], yInterval: [0.74, 0.84] } as const;
  const slower = { x: 20, y: 0.81, xInterval: [19, 21], yInterval: [0.76, 0.86] } as const;
  // Its score lies in the best one's interval, the best one's not in its own: they are ordered.
  const surelyWorse = { x: 10, y: 0.76, xInterval: [9, 11], yInterval: [0.74, 0.78] } as const;
  expect(unbeaten([best, alike, slower, surelyWorse])).toEqual([best, alike]);
  const sure = [best, slower].map(({ x, y }) => ({ x, y }));
  expect(unbeaten(sure)).toEqual(sure);
});

test("labels of thirty crowded variants cover neither each other nor a marker, and stay in the frame", () => {
  const frame = { x: 0, y: 0, width: 800, height: 400 };
  const markers = Array.from({ length: 30 }, (_, i) => ({
    ...{
      x: 300 + 150 * Math.sin(i),
      y: 60 + 50 * Math.abs(Math.cos(3 * i)) + 4 * i,
      radius: 6,
      text: `variant ${i} int4`,
    },
  }));
  const labels = placeLabels(markers, frame, 11);
  expect(labels.length).toBeGreaterThan(24);
  const boxes: Box[] = [
    ...labels.map(({ box }) => box),
    ...markers.map(({ x, y, radius }) => ({
      x: x - radius,
      y: y - radius,
      width: 2 * radius,
      height: 2 * radius,
    })),
  ];
  for (const [i, { box }] of labels.entries()) {
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(800);
    for (const other of boxes.slice(i + 1)) expect(overlap(box, other)).toBe(false);
  }
});

test("a run has the seed's figures, each a drawing of its own", () => {
  const names = figuresOf(summary).map(([name]) => name);
  expect(names).toEqual(
    expect.arrayContaining(["frontier-by-latency", "frontier-by-size", "frontier-f16-by-latency"]),
  );
  expect(names.slice(-3)).toEqual(["bars-latency", "bars-quality", "bars-size"]);
  for (const [, svg] of figuresOf(summary)) {
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toContain("prefers-color-scheme: dark");
    expect(svg).not.toMatch(/NaN|undefined|https?:\/\/(?!www\.w3\.org)/);
  }
});

test("every variant with both figures is a mark, and those on the front are named", () => {
  const [, svg = ""] = figuresOf(summary).find(([name]) => name === "frontier-by-latency") ?? [];
  const measured = summary.variants.filter(({ speed, q }) => speed !== null && q !== null);
  expect(svg.match(/<path[^>]*d="M[^"]*"[^>]*transform="translate\([\d.]+,[\d.]+\)"/g)).toHaveLength(
    measured.length,
  );
  expect(svg).toContain(">dense<");
});

test("costs that differ more than tenfold stand on a logarithmic axis, not in one column", () => {
  const [, svg = ""] = figuresOf(summary).find(([name]) => name === "frontier-by-latency") ?? [];
  const places = [
    ...svg.matchAll(
      /transform="translate\(([\d.]+),[\d.]+\)"[^>]*><\/path>|d="M[^"]*"[^>]*transform="translate\(([\d.]+),/g,
    ),
  ]
    .map(([, a, b]) => Number(a ?? b))
    .sort((a, b) => a - b);
  // The example has one model of 2 B weights beside small ones, whose marks would share the first tenth otherwise.
  expect((places.at(-2) ?? 0) - (places[0] ?? 0)).toBeGreaterThan(80);
});

test("pictures are PNGs of twice the size", () => {
  const [, svg = ""] = figuresOf(summary)[0] ?? [];
  const png = Buffer.from(pngOf(svg));
  expect(png.subarray(1, 4).toString()).toBe("PNG");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1720, 1080]);
});

test("chance is drawn, and nothing below it stands on the front", () => {
  const [dense, other] = summary.variants as unknown as [VariantSummary, VariantSummary];
  const at = (variant: VariantSummary, name: string, bytes: number, score: number): VariantSummary => ({
    ...{ ...variant, name, family: "one", size: { bytes, parameters: 1, bitsPerWeight: 8 } },
    q: {
      ...{ metric: "q", figure: "q", score, low: score - 0.02, high: score + 0.02, signature: "q" },
      retention: { ofDense: 1, aboveFloor: 1, low: 1, high: 1, floor: 0.4 },
    },
  });
  const variants = [at(dense, "whole", 16e6, 0.9), at(other, "half", 8e6, 0.8), at(other, "noise", 1e6, 0.3)];
  const svg = frontierFigure(variants, { title: "t", cost: "size" }) ?? "";
  expect(svg).toMatch(/<text[^>]*class="faint chance"[^>]*>chance<\/text>/);
  const [front = ""] = [...svg.matchAll(/<g[^>]*class="[^"]*front[^"]*"[^>]*>(.*?)<\/g>/g)]
    .map(([, inner]) => inner)
    .filter((inner) => inner?.includes("<path"));
  // A step from the first to the second point: two corners; with the third there would be four.
  expect(front.match(/[LHV]/g)?.length).toBeLessThanOrEqual(2);
  expect(
    frontierFigure(
      variants.map((variant) => ({
        ...variant,
        family: variant.name,
        q: variant.q && { ...variant.q, retention: null },
      })),
      { title: "t", cost: "size" },
    ),
  ).not.toContain(">chance<");
});
