import { z } from "zod";

const column = z.string().min(1);

/**
 * What fields of a task are called in the data: a column, columns of which each holds one of several, or a template over columns. These have a meaning of their
 * own: `id`, `question`, `answer`, `image`, `choices`, `category`, `unit`; prompts may use any.
 */
const fieldsSchema = z.record(z.string(), z.union([column, z.array(column).min(1)]));

const splitSchema = {
  config: z.string().optional(),
  split: z.string(),
};

/** Questions of a benchmark: where they are, how they are asked, how answers are read and scored. Plain data. */
export const taskSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, "is of letters, digits, dots and dashes"),
  /** With its paper. */
  title: z.string(),
  /** Where the hub has it. */
  hub: z
    .strictObject({
      repository: z.string().regex(/^[^/]+\/[^/]+$/, "is org/name"),
      ...splitSchema,
      revision: z.string().optional(),
      /** Where pictures stand in a configuration of their own: the field `image` is then their key. */
      pictures: z.strictObject({ ...splitSchema, key: column, image: column }).optional(),
      fields: fieldsSchema,
    })
    .optional(),
  /** Files as the authors give them, with patterns of their names. */
  files: z
    .strictObject({
      files: z.array(z.string()).min(1),
      /** Files with further columns, such as the answers, and the column that both have. */
      joined: z.strictObject({ files: z.array(z.string()).min(1), by: column }).optional(),
      fields: fieldsSchema,
    })
    .optional(),
  /** Texts that mean that there is nothing. */
  nothing: z.array(z.string()).default([]),
  /** Rows of which these columns have another value are not asked. */
  where: z.record(column, z.string()).default({}),
  /** Field each of whose texts is a question of its own. */
  each: z.string().optional(),
  /** What stands in the field `answer`: texts, the place of the right choice from 0, or a box [x, y, width, height] in pixels. */
  answerIs: z.enum(["text", "choice-number", "pixel-box"]).default("text"),
  /** Questions that count together: those whose `unit` is the same, or the same modulo a number. */
  unitModulo: z.int().min(2).optional(),
  /** Texts with fields in Mustache's writing, by the names of the evaluations that ask so; the first is taken unless another one is named. */
  prompts: z.record(z.string(), z.string()),
  /** How answers are read, by name; or by what a field holds. */
  reading: z
    .union([
      z.string(),
      z.strictObject({ field: z.string(), cases: z.record(z.string(), z.string()), otherwise: z.string() }),
    ])
    .default("text"),
  /** References are read in the same way. */
  readsReferences: z.boolean().default(false),
  metrics: z.array(z.string()).min(1),
  /** The figure that papers print first. Default: the first metric's first. */
  headline: z.string().optional(),
  /** Its value for a model that is always right. */
  full: z.number().positive().default(1),
  maxNewTokens: z.int().min(1).default(128),
});

export type Task = z.output<typeof taskSchema>;
/** A task as it is written. */
export type TaskInput = z.input<typeof taskSchema>;

/** Checks and completes a task that stands in code. */
export function defineTask(task: TaskInput): Task {
  return taskSchema.parse(task);
}
