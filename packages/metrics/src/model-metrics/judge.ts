import { checkOptions, object } from "@vlmopt/options";
import { MetricInputError } from "../metric.ts";
import { signature } from "../signature.ts";
import { type ModelMetric, meanModelMetric } from "./model-metric.ts";

/** A model that answers prompts, such as a server's. */
export interface JudgeModel {
  /** What the signature calls it. */
  readonly name: string;
  /** Answers in the order of the prompts. */
  ask(prompts: readonly string[]): Promise<readonly string[]>;
}

/** What an answer is worth. */
const GRADES = { right: 1, partly: 0.5, wrong: 0 } as const;

/** Changes with the prompt's words: the signature names it. */
const PROMPT_VERSION = 1;

/**
 * The prompt of the first pass, and of the second, in which answer and references have changed places: a judge that reads them with care says the same.
 * @param references texts that are each a right answer
 */
export function judgePrompt(prediction: string, references: readonly string[], pass: 1 | 2): string {
  const parts = [
    `Reference ${references.length === 1 ? "answer" : "answers, each of which is right"}:\n${references.map((text) => `- ${text}`).join("\n")}`,
    `Answer to grade:\n- ${prediction}`,
  ];
  const [first, second] = pass === 1 ? parts : [...parts].reverse();
  return `You grade an answer to a question by what is known to be right. Wording and length do not matter; what is said does.

${first}

${second}

Reply with one word: right if the answer says what a reference says and nothing against it, partly if it says a part of it, wrong otherwise.`;
}

/**
 * Answers graded by a model: 1 right, ½ partly right, 0 wrong. `judge` is the mean of a first pass; `judge-agreement` the share of answers that a second pass, which sees
 * answer and references in the other order, grades alike. The question itself is not shown. What other questions' answers score is not asked: it would take thousands of requests.
 * @throws {MetricInputError} where the model's reply is no grade
 */
export function judge(options: { readonly model: JudgeModel }): ModelMetric {
  checkOptions("judge", options, { model: object }, ["model"]);
  const { model } = options;
  const name = signature("judge", { model: model.name, prompt: `v${PROMPT_VERSION}`, passes: "2" });
  const metric = meanModelMetric(
    "judge",
    ["judge", "judge-agreement"],
    name,
    async (predictions, references) => {
      const prompts = ([1, 2] as const).flatMap((pass) =>
        predictions.map((prediction, i) => judgePrompt(prediction, references[i] ?? [], pass)),
      );
      const grades = (await model.ask(prompts)).map((reply) => gradeOf(reply, model.name));
      return predictions.map((_, i) => {
        const [first = Number.NaN, second] = [grades[i], grades[predictions.length + i]];
        return Float64Array.of(first, first === second ? 1 : 0);
      });
    },
  );
  return { ...metric, hasNoFloor: true };
}

function gradeOf(reply: string, model: string): number {
  const [word] = /\b(?:right|partly|wrong)\b/i.exec(reply) ?? [];
  if (word !== undefined) return GRADES[word.toLowerCase() as keyof typeof GRADES];
  throw new MetricInputError(
    `${model} replied ${JSON.stringify(reply.slice(0, 100))}, which is none of right, partly and wrong: take another judge`,
  );
}
