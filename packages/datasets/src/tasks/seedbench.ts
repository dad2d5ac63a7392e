import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

const prompt = `{{question}}\n{{choices | lettered}}${instructions.letter}`;
const choices = ["choice_a", "choice_b", "choice_c", "choice_d"];
const fields = {
  id: "question_id",
  question: "question",
  answer: "answer",
  choices,
  category: "question_type_id",
};

export const seedbench = defineTask({
  name: "seedbench",
  title: "SEED-Bench (Li et al. 2023), questions about pictures",
  hub: {
    repository: "lmms-lab-encoder/SEED-Bench",
    split: "test",
    fields: { ...fields, image: "image" },
  },
  files: { files: ["*SEED-Bench.json"], fields: { ...fields, image: "{{data_id}}" } },
  where: { data_type: "image" },
  prompts: { "lmms-eval": prompt, "llava-1.5": prompt },
  reading: "first-character",
  metrics: ["letter-match"],
  maxNewTokens: 16,
});
