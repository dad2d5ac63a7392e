export type { CorpusResult, Metric, Scores } from "./metric.ts";
