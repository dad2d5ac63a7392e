import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

export const ai2d = defineTask({
  name: "ai2d",
  title: "AI2D (Kembhavi et al. 2016), test",
  hub: {
    repository: "lmms-lab-encoder/ai2d",
    split: "test",
    fields: { question: "question", answer: "answer", choices: "options", image: "image" },
  },
  answerIs: "choice-number",
  prompts: { "lmms-eval": `{{question}}\n{{choices | lettered}}${instructions.letter}` },
  reading: "leading-letter",
  metrics: ["exact-match-lmms"],
  maxNewTokens: 16,
});
