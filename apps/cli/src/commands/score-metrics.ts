import { bertScore, cocoRougeL, type Metric, type ModelMetric, rouge } from "@vlmopt/metrics";
import { encoderFor } from "../encoder.ts";

const metrics: Readonly<Record<string, () => Metric | Promise<ModelMetric>>> = {
  rouge: () => rouge(),
  "rouge-coco": () => cocoRougeL(),
  bertscore: async () => bertScore({ encoder: await encoderFor("roberta-large") }),
};

export const metricNames: readonly string[] = Object.keys(metrics);

/** One of `metricNames`. */
export async function metricFor(name: string): Promise<Metric | ModelMetric> {
  const make = metrics[name];
  if (make === undefined) throw new Error(`there is no metric ${name}; there are ${metricNames.join(", ")}`);
  return make();
}
