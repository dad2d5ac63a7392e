import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const fields = {
  question: "question",
  answer: "answer",
  choices: "choices",
  hint: "hint",
  category: "subject",
};

export const scienceqa = defineTask({
  name: "scienceqa",
  title: "ScienceQA (Lu et al. 2022), test, questions with pictures",
  hub: {
    repository: "lmms-lab-encoder/ScienceQA",
    config: "ScienceQA-IMG",
    split: "test",
    fields: { ...fields, image: "image" },
  },
  answerIs: "choice-number",
  prompts: {
    "lmms-eval": `{{#hint}}Context: {{hint}}\n{{/hint}}{{question}}\n{{choices | lettered}}${instructions.letter}`,
    "llava-1.5": `Context: {{#hint}}{{hint | strip | single-blanks}}{{/hint}}{{^hint}}N/A{{/hint}}\nQuestion: {{question | single-blanks}}\nOptions: {{choices | bracketed | single-blanks}}${instructions.letter}`,
  },
  reading: "letter-before-period",
  metrics: ["letter-match"],
  maxNewTokens: 16,
});
