export { packUnit } from "./benchmarks/unit.ts";
export { type Baseline, publishedBaseline, readBaselines } from "./bertscore/baseline.ts";
export { type BertScoreOptions, bertScore } from "./bertscore/bertscore.ts";
export { bertScoreLayer, bertScoreLayers, type EncodedText, type Encoder } from "./bertscore/encoder.ts";
export { type BleuOptions, bleu, cocoBleu } from "./bleu/bleu.ts";
export type { BleuTokenizer } from "./bleu/tokenizers.ts";
export { type ChrfOptions, chrf } from "./chrf/chrf.ts";
export { cider } from "./cider/cider.ts";
export { answerLength, distinct } from "./diversity/diversity.ts";
export {
  alignWords,
  type Meteor15Options,
  type MeteorOptions,
  meteor,
  type NltkMeteorOptions,
  type NltkMeteorWeights,
  singleMeteorScore,
} from "./meteor/index.ts";
export {
  type Accumulator,
  accumulate,
  type CorpusResult,
  type Metric,
  MetricInputError,
  type Scores,
} from "./metric.ts";
export {
  type ClipEncoder,
  type ClipScore,
  type ClipScoreOptions,
  clipScore,
} from "./model-metrics/clip-score.ts";
export { type JudgeModel, judge, judgePrompt } from "./model-metrics/judge.ts";
export { type ModelMetric, meansOf } from "./model-metrics/model-metric.ts";
export {
  type LanguageModelScorer,
  type Perplexity,
  type PerplexityOptions,
  perplexity,
} from "./model-metrics/perplexity.ts";
export { sentenceSimilarity } from "./model-metrics/sentence-similarity.ts";
export type { AskedQuestion, Reading } from "./reading/reading.ts";
export { type ReadingName, readingNames, readings } from "./reading/readings.ts";
export {
  type EncoderLayer,
  type MetricResources,
  type MetricSpec,
  metricByName,
  metricNames,
  parseMetric,
} from "./registry.ts";
export { cocoRougeL, type RougeOptions, type RougeType, rouge } from "./rouge/rouge.ts";
export { scorecardCsv, scorecardTable, type TableText, topicTable } from "./scorecard/render.ts";
export {
  type AnswerRow,
  joinScoreFiles,
  type LeftOutLine,
  type PredictionLine,
  type ReferenceLine,
  readPredictions,
  readReferences,
  type ScoredItem,
  type ScoreFile,
  ScoreFileError,
  type ScoreFileOptions,
} from "./scorecard/score-file.ts";
export {
  type FigureComparison,
  type FigureScore,
  type ItemScores,
  isHeadline,
  type Scorecard,
  type ScorecardOptions,
  scorecard,
  type TopicScores,
} from "./scorecard/scorecard.ts";
export { agrestiCoullInterval } from "./statistics/agresti-coull.ts";
export {
  bootstrapIntervals,
  type FigureInterval,
  type Interval,
} from "./statistics/bootstrap.ts";
export type { Clusters } from "./statistics/clusters.ts";
export { noSkillFloor } from "./statistics/no-skill-floor.ts";
export { type BootstrapOptions, bootstrapRules, type ComparisonOptions } from "./statistics/option-rules.ts";
export { type RetentionResults, retention } from "./statistics/retention.ts";
export {
  approximateRandomization,
  type Comparison,
  holm,
} from "./statistics/significance.ts";
export { porterStem } from "./text/porter-stemmer.ts";
export { anls } from "./vqa/anls.ts";
export { exactMatch, tokenF1 } from "./vqa/squad.ts";
export { vqaAccuracy } from "./vqa/vqa-accuracy.ts";
