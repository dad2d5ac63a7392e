import type { VariantSummary } from "../../records/run-summary.ts";
import { headline, titleOf } from "../result-table.ts";
import { drawerIn } from "./frontier.ts";
import { precisionColours } from "./palette.ts";
import { textBox } from "./place-labels.ts";
import { drawingDocument, FAINT_INK, FONT, GRID, INK, PAPER, svgFile } from "./svg-document.ts";

export type BarFigure = "latency" | "quality" | "size";

const WIDTH = 860;
const ROW = 20;
const TOP = 58;
const BOTTOM = 16;
const VALUE_ROOM = 64;

interface Bar {
  readonly name: string;
  readonly value: number;
  readonly interval: { readonly low: number; readonly high: number } | undefined;
  readonly colour: string;
}

/** One figure of each variant as bars, in the order of the recipe. Undefined where none has it. */
export function barFigure(variants: readonly VariantSummary[], figure: BarFigure): string | undefined {
  const colours = precisionColours(variants);
  const bars = variants.flatMap((variant): Bar[] => {
    const found = barOf(variant, figure);
    if (found === undefined) return [];
    return [{ name: variant.name, colour: colours.get(variant.precision) ?? INK, ...found }];
  });
  if (bars.length === 0) return undefined;
  const quality = variants.map(headline).find((found) => found !== undefined)?.figure ?? "quality";
  const title = {
    latency: "Latency of a request, ms",
    size: "Size of the weights, MB",
    quality: titleOf(quality),
  }[figure];
  const left = 24 + Math.max(...bars.map(({ name }) => textBox(name, 11).width));
  const most = Math.max(...bars.map(({ value, interval }) => Math.max(value, interval?.high ?? 0)), 1e-9);
  const x = (value: number) => left + (Math.max(0, value) / most) * (WIDTH - left - VALUE_ROOM);
  const height = TOP + bars.length * ROW + BOTTOM;
  const digits = most < 10 ? 3 : 1;
  const document = drawingDocument();
  const draw = drawerIn(document);
  const shown = [...colours].filter(([, colour]) => bars.some((bar) => bar.colour === colour));
  let legendAt = left;
  const svg = draw(
    "svg",
    { width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}`, "font-family": FONT, "font-size": 11 },
    [
      draw("rect", { width: WIDTH, height, fill: PAPER, class: "paper" }),
      draw("text", { x: 16, y: 26, "font-size": 15, "font-weight": 600, fill: INK, class: "ink" }, title),
      ...shown.flatMap(([precision, colour]) => {
        const at = legendAt;
        legendAt += 26 + precision.length * 6.2;
        return [
          draw("rect", { x: at, y: 36, width: 9, height: 9, rx: 2, fill: colour }),
          draw("text", { x: at + 14, y: 44, fill: FAINT_INK, class: "faint" }, precision),
        ];
      }),
      draw("line", { x1: left, x2: left, y1: TOP - 4, y2: height - BOTTOM + 4, stroke: GRID, class: "grid" }),
      ...bars.flatMap(({ name, value, interval, colour }, i) => {
        const y = TOP + i * ROW;
        return [
          draw("text", { x: left - 8, y: y + 13, "text-anchor": "end", fill: INK, class: "ink" }, name),
          draw("rect", {
            x: left,
            y: y + 3,
            width: Math.max(0.5, x(value) - left),
            height: ROW - 7,
            rx: 2,
            fill: colour,
          }),
          ...(interval === undefined
            ? []
            : [
                draw("line", {
                  ...{ x1: x(interval.low), x2: x(interval.high), y1: y + 9.5, y2: y + 9.5 },
                  ...{ stroke: INK, "stroke-opacity": 0.55, "stroke-width": 1.2 },
                }),
              ]),
          draw(
            "text",
            { x: Math.max(x(value), x(interval?.high ?? 0)) + 6, y: y + 13, fill: FAINT_INK, class: "faint" },
            value.toFixed(digits),
          ),
        ];
      }),
    ],
  );
  return svgFile(svg, title);
}

function barOf(variant: VariantSummary, figure: BarFigure): Pick<Bar, "value" | "interval"> | undefined {
  if (figure === "size") {
    return variant.size === null ? undefined : { value: variant.size.bytes / 1e6, interval: undefined };
  }
  if (figure === "latency") {
    const latency = variant.speed?.latency;
    return latency && { value: latency.median, interval: latency };
  }
  const quality = headline(variant);
  if (quality === undefined) return undefined;
  const { score, low, high } = quality;
  return { value: score, interval: low === null || high === null ? undefined : { low, high } };
}
