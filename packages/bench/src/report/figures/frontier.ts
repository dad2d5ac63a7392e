import * as Plot from "@observablehq/plot";
import type { Estimate, QualityFigure, VariantSummary } from "../../records/run-summary.ts";
import { chanceIn } from "../chance.ts";
import { figureOf, headline, titleOf } from "../result-table.ts";
import { type PruningKind, precisionColours, pruningKind, SYMBOLS } from "./palette.ts";
import { paretoFront, unbeaten } from "./pareto.ts";
import { placeLabels } from "./place-labels.ts";
import { drawingDocument, FAINT_INK, FONT, GRID, INK, PAPER, svgFile } from "./svg-document.ts";

/** What a frontier has on its lower axis. */
export type Cost = "latency" | "tpot" | "size";

export interface FrontierOptions {
  readonly title: string;
  readonly cost: Cost;
  /** Figure of quality. Default: the one that stands for the run. */
  readonly figure?: string;
  /** Of the whole run, so that figures of one run give a precision one colour. */
  readonly colours?: ReadonlyMap<string, string>;
  /** All variants of the run, of which some are drawn: what chance scores may stand in the records of others. */
  readonly all?: readonly VariantSummary[];
}

interface Point {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly xInterval: readonly [number, number] | undefined;
  readonly yInterval: readonly [number, number] | undefined;
  readonly wide: Estimate | undefined;
  readonly figure: QualityFigure;
  readonly colour: string;
  readonly kind: PruningKind;
  readonly radius: number;
  /** What answers of its family score without looking. */
  readonly chance: number | undefined;
}

const SIZE = { width: 860, height: 540, marginTop: 78, marginRight: 28, marginBottom: 52, marginLeft: 58 };
const LABEL_SIZE = 11;
/** Costs whose largest is more than so many times their smallest are drawn on a logarithmic axis. */
const WIDE = 10;
/** Opacity of variants that others beat by more than intervals. */
const BEATEN = 0.4;
const AXES: Readonly<Record<Cost, string>> = {
  latency: "latency of a request, ms",
  tpot: "time per token, ms",
  size: "size of the weights, MB",
};

/**
 * The efficiency frontier: what variants cost and how well they answer, with intervals, the line of those above chance that nothing beats, and chance. Pale is
 * what another beats by more than their intervals: what lies within each other's is not ordered. Colour tells the precision, shape what was pruned, area the memory.
 * @returns SVG; undefined where fewer than two variants have both figures
 */
export function frontierFigure(
  variants: readonly VariantSummary[],
  options: FrontierOptions,
): string | undefined {
  const { title, cost } = options;
  const colours = options.colours ?? precisionColours(variants);
  const points = pointsOf(variants, options, colours);
  const [first] = points;
  if (points.length < 2 || first === undefined) return undefined;
  const able = unbeaten(points.filter(({ y, chance }) => chance === undefined || y > chance));
  const front = paretoFront(able);
  const chances = [...new Set(points.flatMap(({ chance }) => chance ?? []))];
  const document = drawingDocument();
  const axis = { fontFamily: FONT, fontSize: 11 };
  const plot = Plot.plot({
    document,
    ...SIZE,
    style: { background: "none", color: INK, fontFamily: FONT, fontSize: "11px" },
    x: isWide(points)
      ? { type: "log", insetLeft: 24, insetRight: 24 }
      : { nice: true, zero: cost === "size", insetRight: 12 },
    y: { nice: true, insetTop: 10 },
    symbol: { domain: Object.values(SYMBOLS), range: Object.values(SYMBOLS) },
    marks: [
      Plot.gridX({ stroke: GRID, strokeOpacity: 1, className: "grid" }),
      Plot.gridY({ stroke: GRID, strokeOpacity: 1, className: "grid" }),
      Plot.axisX({
        ...axis,
        ...(isWide(points) ? { tickFormat: ",", ticks: 6 } : {}),
        label: null,
        tickSize: 0,
        tickPadding: 8,
        fill: FAINT_INK,
        className: "faint",
      }),
      Plot.axisY({ ...axis, label: null, tickSize: 0, tickPadding: 8, fill: FAINT_INK, className: "faint" }),
      Plot.ruleY(chances, { stroke: FAINT_INK, strokeWidth: 1, strokeDasharray: "1 3", className: "front" }),
      Plot.line(front, {
        x: "x",
        y: "y",
        curve: "step-after",
        stroke: FAINT_INK,
        strokeDasharray: "4 3",
        className: "front",
      }),
      Plot.ruleX(
        points.filter(({ figure }) => figure.low !== null && figure.high !== null),
        {
          x: "x",
          y1: (p: Point) => p.figure.low,
          y2: (p: Point) => p.figure.high,
          stroke: "colour",
          strokeOpacity: 0.5,
        },
      ),
      Plot.ruleY(
        points.filter(({ wide }) => wide !== undefined),
        {
          y: "y",
          x1: (p: Point) => p.wide?.low,
          x2: (p: Point) => p.wide?.high,
          stroke: "colour",
          strokeOpacity: 0.5,
        },
      ),
      Plot.dot(points, {
        x: "x",
        y: "y",
        r: "radius",
        fill: "colour",
        fillOpacity: (p: Point) => (able.includes(p) ? 1 : BEATEN),
        stroke: PAPER,
        strokeWidth: 1.2,
        symbol: (p: Point) => SYMBOLS[p.kind],
        className: "edge",
      }),
    ],
    r: { type: "identity" },
    color: { type: "identity" },
  });
  const scale = (name: "x" | "y") => {
    const { apply } = plot.scale(name) ?? {};
    return (value: number) => Number(apply?.(value));
  };
  const [x, y] = [scale("x"), scale("y")];
  // What lies on the line is named first, while there is room.
  const rest = able.filter((point) => !front.includes(point));
  const order = [...front, ...rest, ...points.filter((point) => !able.includes(point))];
  const frame = {
    x: SIZE.marginLeft,
    y: SIZE.marginTop - 8,
    width: SIZE.width - SIZE.marginLeft - 4,
    height: SIZE.height - SIZE.marginTop - SIZE.marginBottom + 8,
  };
  const labels = placeLabels(
    order.map((point) => ({ x: x(point.x), y: y(point.y), radius: point.radius + 1, text: point.name })),
    frame,
    LABEL_SIZE,
  );
  const draw = drawerIn(document);
  // The plot centres its text.
  const top = draw("g", { "text-anchor": "start" }, [
    draw("text", { x: 16, y: 26, "font-size": 15, "font-weight": 600, fill: INK, class: "ink" }, title),
    ...legend(draw, points, colours),
    draw(
      "text",
      { x: 16, y: SIZE.marginTop - 14, fill: FAINT_INK, class: "faint" },
      `↑ ${titleOf(first.figure.figure)}`,
    ),
    draw(
      "text",
      { x: SIZE.width - 16, y: SIZE.height - 12, fill: FAINT_INK, class: "faint", "text-anchor": "end" },
      `${AXES[cost]} →`,
    ),
    ...chances.map((chance) =>
      draw(
        "text",
        {
          ...{ x: SIZE.width - SIZE.marginRight, y: y(chance) - 4, "text-anchor": "end", fill: FAINT_INK },
          class: "faint chance",
        },
        "chance",
      ),
    ),
    ...labels.flatMap(({ leader }) =>
      leader === undefined
        ? []
        : [draw("line", { ...leader, stroke: FAINT_INK, "stroke-width": 0.6, "stroke-opacity": 0.7 })],
    ),
    // A rim of paper keeps names readable where lines cross them.
    ...labels.map(({ text, box }) =>
      draw(
        "text",
        {
          ...{
            x: box.x,
            y: box.y + LABEL_SIZE * 0.95,
            "font-size": LABEL_SIZE,
            fill: INK,
            class: "ink edge label",
          },
          ...{ stroke: PAPER, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" },
        },
        text,
      ),
    ),
  ]);
  const svg = (plot.tagName.toLowerCase() === "svg" ? plot : plot.querySelector("svg")) as unknown as Element;
  svg.append(top);
  const paper = draw("rect", { width: SIZE.width, height: SIZE.height, fill: PAPER, class: "paper" });
  svg.prepend(paper);
  return svgFile(svg, title);
}

/** Whether costs differ so much that most would stand in one column. */
function isWide(points: readonly Point[]): boolean {
  const costs = points.map(({ x }) => x);
  return Math.max(...costs) > WIDE * Math.min(...costs) && Math.min(...costs) > 0;
}

function pointsOf(
  variants: readonly VariantSummary[],
  { cost, figure: wanted, all = variants }: FrontierOptions,
  colours: ReadonlyMap<string, string>,
): Point[] {
  const chanceOf = chanceIn(all);
  const memory = ({ memory: { devicePeak, processPeak }, size }: VariantSummary) =>
    devicePeak?.bytes ?? processPeak?.bytes ?? size?.bytes ?? 0;
  const largest = Math.max(1, ...variants.map(memory));
  return variants.flatMap((variant): Point[] => {
    const { speed, size, name, precision } = variant;
    const figure = wanted === undefined ? headline(variant) : figureOf(variant, wanted);
    const wide = cost === "size" ? undefined : (speed?.[cost] ?? undefined);
    const x = cost === "size" ? size && size.bytes / 1e6 : wide?.median;
    if (figure === undefined || x === undefined || x === null) return [];
    const radius = 3.5 + 4.5 * Math.sqrt(memory(variant) / largest);
    const colour = colours.get(precision) ?? INK;
    const chance = chanceOf(variant, figure.figure);
    const xInterval = wide && ([wide.low, wide.high] as const);
    const { low, high } = figure;
    const yInterval = low === null || high === null ? undefined : ([low, high] as const);
    const drawn = { figure, colour, kind: pruningKind(variant), radius, chance };
    return [{ name, x, y: figure.score, xInterval, yInterval, wide, ...drawn }];
  });
}

type Draw = (
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  content?: string | readonly Element[],
) => Element;

export function drawerIn(document: Document): Draw {
  return (tag, attributes, content) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    if (typeof content === "string") element.textContent = content;
    else element.append(...(content ?? []));
    return element;
  };
}

/** Colours and shapes that occur, in one line. */
function legend(draw: Draw, points: readonly Point[], colours: ReadonlyMap<string, string>): Element[] {
  const elements: Element[] = [];
  let at = 22;
  const entry = (mark: Element, text: string) => {
    elements.push(mark, draw("text", { x: at + 9, y: 50, fill: INK, class: "ink" }, text));
    at += 26 + text.length * 6.2;
  };
  const shown = new Set(points.map(({ colour }) => colour));
  for (const [precision, colour] of colours) {
    if (shown.has(colour)) entry(draw("circle", { cx: at, cy: 46, r: 5, fill: colour }), precision);
  }
  at += 14;
  const kinds = new Set(points.map(({ kind }) => kind));
  for (const kind of Object.keys(SYMBOLS) as PruningKind[]) {
    if (!kinds.has(kind)) continue;
    entry(
      draw("path", { d: SHAPES[kind], transform: `translate(${at} 46)`, fill: FAINT_INK, class: "faint" }),
      kind,
    );
  }
  return elements;
}

/** As Plot draws the symbols, at the legend's size. */
const SHAPES: Readonly<Record<PruningKind, string>> = {
  "not pruned": "M4.8,0A4.8,4.8,0,1,1,-4.8,0A4.8,4.8,0,1,1,4.8,0",
  neurons: "M0,-5.6L4.9,2.8L-4.9,2.8Z",
  heads: "M-4.2,-4.2h8.4v8.4h-8.4Z",
  layers: "M0,-6.4L3.7,0L0,6.4L-3.7,0Z",
  weights:
    "M0,-6.3L1.41,-1.95L5.99,-1.95L2.29,0.74L3.7,5.1L0,2.41L-3.7,5.1L-2.29,0.74L-5.99,-1.95L-1.41,-1.95Z",
  several: "M1.4,0.8L1.4,4.4L-1.4,4.4L-1.4,0.8L-4.5,-1L-3.1,-3.4L0,-1.6L3.1,-3.4L4.5,-1Z",
};
