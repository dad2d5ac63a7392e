import { instructions } from "./instructions.ts";
import { defineTask } from "./task.ts";

export const refcoco = defineTask({
  name: "refcoco",
  title: "RefCOCO (Yu et al. 2016), the box of what an expression means, val",
  hub: {
    repository: "lmms-lab-encoder/RefCOCO",
    split: "val",
    fields: { id: "question_id", expression: "answer", answer: "bbox", image: "image" },
  },
  each: "expression",
  answerIs: "pixel-box",
  prompts: { "lmms-eval": `${instructions.box}{{expression}}` },
  reading: "box",
  metrics: ["box-overlap"],
  headline: "box-acc@0.5",
  maxNewTokens: 64,
});
