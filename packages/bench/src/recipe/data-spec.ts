import { columnMappingSchema, samplingSchema, vqaonlineSplits } from "@vlmopt/datasets";
import { z } from "zod";
import { oneOf } from "./one-of.ts";

const sampled = { topics: z.array(z.string()).min(1).optional(), sample: samplingSchema.optional() };
const rows = {
  split: z.string().optional(),
  columns: columnMappingSchema.partial().optional(),
  files: z.array(z.string()).optional(),
  encoding: z.string().optional(),
};
const folderSchema = z.strictObject({ folder: z.string().min(1), ...rows, ...sampled });
const vqaonlineSchema = z.strictObject({
  vqaonline: oneOf("split of VQAonline", vqaonlineSplits),
  revision: z.string().optional(),
  ...sampled,
});
const hubSchema = z.strictObject({
  hub: z.string().regex(/^[^/]+\/[^/]+$/, "is org/name"),
  revision: z.string().optional(),
  ...rows,
  ...sampled,
});

/** Questions with pictures. */
export const dataSchema = z.union([folderSchema, vqaonlineSchema, hubSchema], {
  error: "is {folder: …}, {vqaonline: train | val | test} or {hub: org/name}, each with an optional sample",
});

export type DataSpec = z.output<typeof dataSchema>;

/** Questions, or sequences of a text, that are read where there are more. */
const samples = z.int().min(1).default(128);

const calibrateError =
  "is own, {text: file}, {folder: …}, {vqaonline: train | val | test} or {hub: org/name}, all but own with an optional number of samples";

/** What a model reads while it is pruned; `own` is what it writes itself. */
export const calibrateSchema = z.union(
  [
    z.literal("own", { error: calibrateError }),
    z.strictObject({ text: z.string().min(1), samples }),
    folderSchema.omit({ sample: true }).extend({ samples }),
    vqaonlineSchema.omit({ sample: true }).extend({ samples }),
    hubSchema.omit({ sample: true }).extend({ samples }),
  ],
  { error: calibrateError },
);

export type CalibrateSpec = z.output<typeof calibrateSchema>;
