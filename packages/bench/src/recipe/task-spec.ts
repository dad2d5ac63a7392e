import { samplingSchema } from "@vlmopt/datasets";
import { z } from "zod";

const count = z.int().min(1);

/** A benchmark by its name, or a file of one's own, and how much of it is asked. */
export const taskSpecSchema = z.union(
  [
    z
      .string()
      .min(1)
      .transform((task) => ({ task })),
    z
      .strictObject({
        task: z.string().min(1),
        /** Folder with its files, as the hub or as its authors have them. */
        data: z.string().min(1).optional(),
        /** Whose prompt: `lmms-eval`, `llava-1.5`. */
        prompt: z.string().optional(),
        /** The first so many questions. */
        limit: count.optional(),
        sample: samplingSchema.optional(),
        revision: z.string().optional(),
      })
      .refine(({ limit, sample }) => limit === undefined || sample === undefined, {
        error: "has either a limit or a sample",
      }),
  ],
  { error: "is the name of a task, or {task: …, data: …, prompt: …, limit: …}" },
);

export type TaskSpec = Exclude<z.output<typeof taskSpecSchema>, string> & {
  readonly data?: string | undefined;
  readonly prompt?: string | undefined;
  readonly limit?: number | undefined;
  readonly sample?: z.output<typeof samplingSchema> | undefined;
  readonly revision?: string | undefined;
};

/** Whether the name is a file of a task. */
export function isTaskFile(task: string): boolean {
  return /\.(ya?ml|json)$/i.test(task);
}
