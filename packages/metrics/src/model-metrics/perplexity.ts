import { checkOptions, flag, object, whole } from "@vlmopt/options";
import { type CorpusResult, MetricInputError, type Scores, sumOf } from "../metric.ts";
import { signature } from "../signature.ts";
import type { Aggregation } from "../statistics/resample.ts";

/** How likely a language model finds texts. */
export interface LanguageModelScorer {
  /** What the signature calls the model. */
  readonly name: string;
  /**
   * @param startToken whether a start token comes first, so that the first token of the text is predicted too
   * @returns for each text the sum of −ln p over the tokens that are predicted, and their number
   */
  negativeLogLikelihoods(
    texts: readonly string[],
    options: { readonly startToken: boolean },
  ): Promise<readonly { readonly nats: number; readonly tokens: number }[]>;
}

export interface PerplexityOptions {
  readonly model: LanguageModelScorer;
  /** On unless told, as in Hugging Face's `evaluate`. */
  readonly startToken?: boolean;
  /** Texts that the model gets at once; 16 unless told. */
  readonly batchSize?: number;
}

/** A `ModelMetric` that looks at predictions alone. */
export interface Perplexity extends Aggregation {
  readonly name: string;
  readonly signature: string;
  readonly referenceFree: true;
  score(prediction: string): Promise<Scores>;
  corpus(predictions: readonly string[]): Promise<CorpusResult>;
}

/**
 * Perplexity of the predictions, lower being likelier. `perplexity` is the mean of the texts' own, exp(nats / tokens), as Hugging Face's
 * `evaluate` reports it; `perplexity-corpus` is exp(all nats / all tokens), in which long texts weigh more. A text without tokens has
 * none (NaN) and is left out of both.
 */
export function perplexity(options: PerplexityOptions): Perplexity {
  checkOptions("perplexity", options, { model: object, startToken: flag, batchSize: whole() }, ["model"]);
  const { model, startToken = true, batchSize = 16 } = options;
  const name = signature("perplexity", { model: model.name, start: startToken ? "yes" : "no" });
  const figures = ["perplexity", "perplexity-corpus"];
  const aggregate: Aggregation["aggregate"] = ([sum = 0, texts = 0, nats = 0, tokens = 0]) => ({
    perplexity: texts === 0 ? Number.NaN : sum / texts,
    "perplexity-corpus": tokens === 0 ? Number.NaN : Math.exp(nats / tokens),
  });
  const corpus: Perplexity["corpus"] = async (predictions) => {
    if (predictions.length === 0) throw new MetricInputError("there are no predictions to score");
    const order = predictions
      .map((_, i) => i)
      .sort((i, j) => (predictions[j]?.length ?? 0) - (predictions[i]?.length ?? 0));
    const statistics = new Array<Float64Array>(predictions.length);
    for (let start = 0; start < order.length; start += batchSize) {
      const batch = order.slice(start, start + batchSize);
      const texts = batch.map((i) => predictions[i] as string);
      const likelihoods = await model.negativeLogLikelihoods(texts, { startToken });
      for (const [n, i] of batch.entries()) {
        const { nats = 0, tokens = 0 } = likelihoods[n] ?? {};
        statistics[i] =
          tokens === 0 ? new Float64Array(4) : Float64Array.of(Math.exp(nats / tokens), 1, nats, tokens);
      }
    }
    return {
      signature: name,
      aggregate: aggregate(sumOf(statistics, 4), statistics.length),
      items: statistics.map((vector) => aggregate(vector, 1)),
      statistics,
    };
  };
  return {
    name: "perplexity",
    figures,
    signature: name,
    referenceFree: true,
    aggregate,
    corpus,
    score: async (prediction) => (await corpus([prediction])).aggregate,
  };
}
