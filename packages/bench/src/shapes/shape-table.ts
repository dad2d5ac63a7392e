import type { ShapeFigures, ShapeSummary } from "./measure-shapes.ts";

/** A table for people: what each scheme takes, and of those that failed, why. */
export function shapeTable({ schemes }: ShapeSummary): { head: string[]; rows: string[][] } {
  const measured = schemes.filter((scheme): scheme is ShapeFigures => scheme.error === null);
  const onDevice = measured.some(({ memory }) => memory.devicePeak !== null);
  return {
    head: [
      ...["weights", "executor", "MB", "load s", "first token ms", "vision ms", "token ms", "95 %"],
      ...["tokens/s", "MB a token", "GB/s", "cache MB", onDevice ? "device MB" : "process MB", "buffers MB"],
    ],
    rows: measured.map((figures) => {
      const { speed, vision, memory, bandwidth } = figures;
      const { tpot } = speed;
      const peak = onDevice ? memory.devicePeak : memory.processPeak;
      return [
        figures.scheme,
        figures.executor,
        number(figures.bytes / 1e6, 1),
        number(speed.loadTime.median / 1000, 1),
        number(speed.ttft.median, 1),
        number(vision?.median, 1),
        number(tpot?.median, 2),
        tpot === null ? "–" : `${number(tpot.low, 2)}–${number(tpot.high, 2)}`,
        number(speed.tokensPerSecond.median, 1),
        number(figures.bytesPerToken / 1e6, 1),
        number(bandwidth && bandwidth / 1e9, 1),
        number(figures.cacheBytes / 1e6, 1),
        number(peak && peak.bytes / 1e6, 0),
        number(memory.executorPeak && memory.executorPeak.bytes / 1e6, 0),
      ];
    }),
  };
}

function number(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}
