export { type CorpusResult, type Metric, MetricInputError, type Scores } from "./metric.ts";
export { cocoRougeL, type RougeOptions, type RougeType, rouge } from "./rouge/rouge.ts";
export { type BootstrapOptions, bootstrapIntervals, type Interval } from "./statistics/bootstrap.ts";
export {
  approximateRandomization,
  type Comparison,
  type ComparisonOptions,
  holm,
  pairedBootstrap,
} from "./statistics/significance.ts";
export { porterStem } from "./text/porter-stemmer.ts";
