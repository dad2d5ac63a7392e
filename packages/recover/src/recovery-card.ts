import type { Recovery } from "./recovery.ts";
import type { Training } from "./train.ts";
import type { TrainingPlan } from "./training-settings.ts";

/** What `recovery.json` says: how, with what data, and what it brought. */
export interface RecoveryRecord {
  readonly version: 1;
  readonly recovery: Recovery;
  readonly training: TrainingPlan;
  readonly data: Readonly<Record<string, string | number>>;
  /** Mean divergence of a token that is held out, in nats, of what came in and of what is written. */
  readonly loss: { readonly before: number; readonly after: number };
  /** Of the whole model, or of each layer in order: how far training came, and its tests on what is held out. */
  readonly lessons: readonly Omit<Training, "parameters">[];
}

export function recoveryRecord({
  recovery,
  plan,
  data,
  loss,
  trainings,
}: {
  readonly recovery: Recovery;
  readonly plan: TrainingPlan;
  readonly data: Readonly<Record<string, string | number>>;
  readonly loss: { readonly before: number; readonly after: number };
  readonly trainings: readonly Training[];
}): RecoveryRecord {
  const lessons = trainings.map(({ parameters: _, ...lesson }) => lesson);
  // Weights that came out no better are not written.
  const after = Math.min(loss.before, loss.after);
  return { version: 1, recovery, training: plan, data, loss: { before: loss.before, after }, lessons };
}

const ways = {
  whole: "all weights of its layers",
  lora: "low-rank matrices beside the linears of its layers, which were merged into them,",
  layers: "its layers, one after the other,",
  projector: "its projector",
} as const;

/** The student's model card with a section about its recovery; a card of its own where it has none. */
export function cardWithRecovery(
  card: string | undefined,
  { recovery, training, data, loss, lessons }: RecoveryRecord,
  baseModel: string,
): string {
  const head =
    card ??
    `---
base_model: ${JSON.stringify(baseModel)}
base_model_relation: finetune
library_name: transformers
tags:
- vlmopt
- pruned
---

# ${baseModel}, recovered
`;
  const steps = lessons.reduce((sum, lesson) => sum + lesson.steps, 0);
  const facts = Object.entries(data).map(([name, value]) => `${name} ${value}`);
  const outcome =
    loss.after < loss.before
      ? `Its mean divergence from the dense model fell from ${loss.before.toPrecision(3)} to ${loss.after.toPrecision(3)} nats a token, on data that it did not learn from.`
      : `Nothing that it learned was better on data held out: its weights are those that came in (${loss.before.toPrecision(3)} nats a token from the dense model).`;
  return `${head.trimEnd().replaceAll("No recovery training.", "").replaceAll("no recovery training", "recovery training below").trimEnd()}

## Recovered

vlmopt let ${ways[recovery.way ?? "whole"]} learn what ${baseModel} answers: ${steps} steps of AdamW, ${training.batch} rows each, step size ${training.rate.toPrecision(3)}
(${facts.join(", ")}). ${outcome} \`recovery.json\` has settings and tests.
`;
}
