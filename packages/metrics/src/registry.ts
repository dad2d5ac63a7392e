import { boxOverlap } from "./benchmarks/box-overlap.ts";
import { mme } from "./benchmarks/mme.ts";
import { pope } from "./benchmarks/pope.ts";
import {
  circular,
  containsAnswer,
  exactMatchLmms,
  letterMatch,
  mmmu,
  relaxedAccuracy,
} from "./benchmarks/right-or-wrong.ts";
import { bertScore } from "./bertscore/bertscore.ts";
import type { Encoder } from "./bertscore/encoder.ts";
import { bleu, cocoBleu } from "./bleu/bleu.ts";
import { chrf } from "./chrf/chrf.ts";
import { cider } from "./cider/cider.ts";
import { answerLength, distinct } from "./diversity/diversity.ts";
import { meteor } from "./meteor/index.ts";
import { assertPaired, type Metric, MetricInputError } from "./metric.ts";
import type { ModelMetric } from "./model-metrics/model-metric.ts";
import { type LanguageModelScorer, perplexity } from "./model-metrics/perplexity.ts";
import { cocoRougeL, rouge } from "./rouge/rouge.ts";
import { anls } from "./vqa/anls.ts";
import { exactMatch, tokenF1 } from "./vqa/squad.ts";
import { vqaAccuracy } from "./vqa/vqa-accuracy.ts";

/** What metrics that need a model take. */
export interface MetricResources {
  /** Of BERTScore. */
  readonly encoder?: () => Promise<Encoder>;
  /** Of perplexity. */
  readonly languageModel?: () => Promise<LanguageModelScorer>;
}

const metrics: Readonly<Record<string, (resources: MetricResources) => Metric | Promise<ModelMetric>>> = {
  meteor: () => meteor(),
  "meteor-1.5": () => meteor({ variant: "1.5" }),
  rouge: () => rouge(),
  "rouge-coco": cocoRougeL,
  bleu: () => bleu(),
  "bleu-coco": cocoBleu,
  chrf: () => chrf(),
  "chrf++": () => chrf({ wordOrder: 2 }),
  cider,
  "vqa-accuracy": () => vqaAccuracy(),
  "vqa-accuracy-authors": () => vqaAccuracy({ normalise: "unless-unanimous" }),
  anls: () => anls(),
  "anls-lmms": () => anls({ variant: "lmms-eval" }),
  "exact-match": exactMatch,
  "exact-match-lmms": exactMatchLmms,
  "letter-match": letterMatch,
  "relaxed-accuracy": relaxedAccuracy,
  pope,
  mme,
  mmmu,
  circular,
  ocrbench: containsAnswer,
  "box-overlap": boxOverlap,
  "token-f1": tokenF1,
  distinct,
  length: answerLength,
  async bertscore({ encoder }) {
    if (encoder === undefined)
      throw new MetricInputError("bertscore needs an encoder: give one, or leave it out");
    return bertScore({ encoder: await encoder() });
  },
  async perplexity({ languageModel }) {
    if (languageModel === undefined)
      throw new MetricInputError("perplexity needs a language model: give one, or leave it out");
    const metric = perplexity({ model: await languageModel() });
    return {
      ...metric,
      async corpus(predictions, references) {
        assertPaired(predictions, references);
        return metric.corpus(predictions);
      },
    };
  },
};

export const metricNames: readonly string[] = Object.keys(metrics);

/**
 * A metric by its name, with its defaults.
 * @throws {MetricInputError} for names that are not known, listing those that are, and for a model that is missing
 */
export async function metricByName(
  name: string,
  resources: MetricResources = {},
): Promise<Metric | ModelMetric> {
  const make = metrics[name];
  if (make === undefined) {
    throw new MetricInputError(`there is no metric "${name}"; there are ${metricNames.join(", ")}`);
  }
  return make(resources);
}
