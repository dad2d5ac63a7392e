import { createHash } from "node:crypto";
import { z } from "zod";
import { DatasetError } from "./dataset-error.ts";
import type { VqaRecord } from "./records/vqa-record.ts";

const count = z.int().min(1);
const seed = z.int().min(0).default(0);

/**
 * Which records to take: the `first`; `random` ones; `stratified`, random within each topic, as many as its share of the whole; or those of random
 * `pictures`, with all that is asked about each.
 */
export const samplingSchema = z.discriminatedUnion(
  "method",
  [
    z.strictObject({ method: z.literal("first"), count }),
    z.strictObject({ method: z.literal("random"), count, seed }),
    z.strictObject({ method: z.literal("stratified"), count, seed }),
    z.strictObject({ method: z.literal("pictures"), count, seed }),
  ],
  {
    error: ({ input }) =>
      `there is no method of sampling ${JSON.stringify((input as { method?: unknown } | null)?.method)}: there are first, random, stratified, pictures`,
  },
);

export type Sampling = z.input<typeof samplingSchema>;

/**
 * Takes a sample, in the order of the records; all of them where there are no more than `count`. The same seed takes the same records
 * on every machine, and of a larger count a superset: a record is in a random sample if the SHA-256 of seed and id is among the
 * smallest (bottom-k sampling), which no other record's presence changes. Records of one unit come together or not at all: as many units are taken as make
 * about so many records.
 */
export function sampleRecords(records: readonly VqaRecord[], sampling: Sampling): VqaRecord[] {
  const parsed = samplingSchema.safeParse(sampling);
  if (!parsed.success) {
    throw new DatasetError("invalid-sampling", `the sampling is invalid: ${z.prettifyError(parsed.error)}`);
  }
  const { data } = parsed;
  if (data.method === "pictures") {
    const byPicture = records.map((record) => ({ ...record, unit: record.image }));
    const taken = new Set(sampleRecords(byPicture, { ...data, method: "random" }).map(({ id }) => id));
    return records.filter(({ id }) => taken.has(id));
  }
  const units = new Map(records.toReversed().map((record) => [record.unit ?? record, record]));
  if (units.size < records.length) {
    const firsts = records.filter((record) => units.get(record.unit ?? record) === record);
    const count = Math.max(1, Math.round((data.count * units.size) / records.length));
    const taken = new Set(sampleRecords(firsts, { ...data, count }).map((record) => record.unit ?? record));
    return records.filter((record) => taken.has(record.unit ?? record));
  }
  if (data.method === "first") return records.slice(0, data.count);
  const chosen = new Set(
    data.method === "random"
      ? smallestHashes(records, data.count, data.seed)
      : stratified(records, data.count, data.seed),
  );
  return records.filter((record) => chosen.has(record));
}

/** A sampling in few words, for signatures: `random:200:seed=7`. */
export function describeSampling(sampling: Sampling | undefined): string {
  if (sampling === undefined) return "all";
  const suffix = sampling.method === "first" ? "" : `:seed=${sampling.seed ?? 0}`;
  return `${sampling.method}:${sampling.count}${suffix}`;
}

function smallestHashes(records: readonly VqaRecord[], count: number, seed: number): VqaRecord[] {
  return records
    .map((record) => ({ record, hash: createHash("sha256").update(`${seed}\0${record.id}`).digest("hex") }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .slice(0, count)
    .map(({ record }) => record);
}

function stratified(records: readonly VqaRecord[], count: number, seed: number): VqaRecord[] {
  const topics = new Map<string, VqaRecord[]>();
  for (const record of records) {
    const topic = record.topic ?? "";
    const members = topics.get(topic);
    if (members === undefined) topics.set(topic, [record]);
    else members.push(record);
  }
  const shares = largestRemainders(
    [...topics].map(([topic, { length }]) => ({ topic, size: length })),
    Math.min(count, records.length),
  );
  return [...topics].flatMap(([topic, members]) => smallestHashes(members, shares.get(topic) ?? 0, seed));
}

/** Shares out `count` in proportion to sizes (Hamilton's method); of equal remainders the larger topic's goes first, then by name. */
function largestRemainders(
  topics: readonly { readonly topic: string; readonly size: number }[],
  count: number,
): Map<string, number> {
  const total = topics.reduce((sum, { size }) => sum + size, 0);
  // Whole numbers throughout: remainders in units of 1/total.
  const quotas = topics.map(({ topic, size }) => ({
    topic,
    size,
    share: Math.floor((size * count) / total),
    remainder: (size * count) % total,
  }));
  let left = count - quotas.reduce((sum, { share }) => sum + share, 0);
  quotas.sort((a, b) => b.remainder - a.remainder || b.size - a.size || (a.topic < b.topic ? -1 : 1));
  return new Map(quotas.map(({ topic, share }) => [topic, left-- > 0 ? share + 1 : share]));
}
