import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";

const THRESHOLDS = [0.5, 0.1, 0.3, 0.7, 0.9];

/**
 * How well a box meets the reference's: share of boxes whose intersection over union reaches a threshold (0.5 is what papers on RefCOCO print), its mean,
 * and whether the box's centre lies in the reference. Boxes are `[x1, y1, x2, y2]` in shares of the picture, as JSON.
 */
export function boxOverlap(): Metric {
  const figures = [...THRESHOLDS.map((threshold) => `box-acc@${threshold}`), "box-iou", "box-centre"];
  return meanMetric(
    "box-overlap",
    figures,
    signature("box-overlap", { variant: "lmms-eval" }),
    (prediction, [reference = ""]) => {
      const [own, right] = [boxOf(prediction), boxOf(reference)];
      const iou = intersectionOverUnion(right, own);
      return Float64Array.of(
        ...THRESHOLDS.map((threshold) => Number(iou >= threshold)),
        iou,
        Number(holdsCentre(right, own)),
      );
    },
  );
}

type Box = readonly [number, number, number, number];

function boxOf(text: string): Box {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.length === 4 && value.every(Number.isFinite))
      return value as unknown as Box;
  } catch {
    // No box.
  }
  return [0, 0, 0, 0];
}

function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const both = Math.max(0, width) * Math.max(0, height);
  const area = (box: Box) => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(a) + area(b) - both;
  return union === 0 ? 0 : both / union;
}

function holdsCentre(box: Box, other: Box): boolean {
  const [x, y] = [(other[0] + other[2]) / 2, (other[1] + other[3]) / 2];
  return box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3];
}
