import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describeModel } from "@vlmopt/models";
import { planQuantization, quantizeCheckpoint, schemeNamed } from "@vlmopt/quant";
import { folderSink, openCheckpoint } from "@vlmopt/tensor-io";

/** Writes the checkpoint of a folder with its language model's linears in another scheme. */
export async function writeQuantized(folder: string, scheme: string, out: string): Promise<void> {
  await using source = await openCheckpoint(folder);
  const config: unknown = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const description = describeModel(config, source.tensors);
  const plan = planQuantization(description, source.tensors, { scheme: schemeNamed(scheme, "fast") });
  await quantizeCheckpoint(source, plan, folderSink(out, { overwrite: true }), { workers: 0 });
}
