export { type Baseline, publishedBaseline, readBaselines } from "./bertscore/baseline.ts";
export { type BertScoreOptions, bertScore } from "./bertscore/bertscore.ts";
export { bertScoreLayers, type EncodedText, type Encoder } from "./bertscore/encoder.ts";
export { type CorpusResult, type Metric, MetricInputError, type Scores } from "./metric.ts";
export {
  type ClipEncoder,
  type ClipScore,
  type ClipScoreOptions,
  clipScore,
} from "./model-metrics/clip-score.ts";
export type { ModelMetric } from "./model-metrics/model-metric.ts";
export {
  type LanguageModelScorer,
  type Perplexity,
  type PerplexityOptions,
  perplexity,
} from "./model-metrics/perplexity.ts";
export { cocoRougeL, type RougeOptions, type RougeType, rouge } from "./rouge/rouge.ts";
export { scorecardCsv, scorecardTable, type TableText, topicTable } from "./scorecard/render.ts";
export {
  joinScoreFiles,
  type PredictionLine,
  type ReferenceLine,
  readPredictions,
  readReferences,
  type ScoredItem,
  type ScoreFile,
  ScoreFileError,
} from "./scorecard/score-file.ts";
export {
  type FigureComparison,
  type FigureScore,
  type ItemScores,
  type Scorecard,
  type ScorecardOptions,
  scorecard,
  type TopicScores,
} from "./scorecard/scorecard.ts";
export { type BootstrapOptions, bootstrapIntervals, type Interval } from "./statistics/bootstrap.ts";
export { type RetentionResults, retention, shuffledReferences } from "./statistics/retention.ts";
export {
  approximateRandomization,
  type Comparison,
  type ComparisonOptions,
  holm,
  pairedBootstrap,
} from "./statistics/significance.ts";
export { porterStem } from "./text/porter-stemmer.ts";
