import { hubSet, localFolder, type UnusableRow, type VqaSet, vqaonline } from "@vlmopt/datasets";
import type { DataSpec } from "../recipe/data-spec.ts";

/** Reads the questions that a recipe or an option names. */
export async function openSet(spec: DataSpec, leaveOut: (row: UnusableRow) => void): Promise<VqaSet> {
  const { topics, sample } = spec;
  const chosen = {
    leaveOut,
    ...(topics === undefined ? {} : { topics }),
    ...(sample === undefined ? {} : { sample }),
  };
  if ("vqaonline" in spec) {
    const { vqaonline: split, revision } = spec;
    return vqaonline({ split, ...chosen, ...(revision === undefined ? {} : { revision }) });
  }
  const { split, columns, files, encoding } = spec;
  const read = {
    ...chosen,
    ...(split === undefined ? {} : { split }),
    ...(columns === undefined ? {} : { columns }),
    ...(files === undefined ? {} : { files }),
    ...(encoding === undefined ? {} : { encoding }),
  };
  if ("folder" in spec) return localFolder(spec.folder, read);
  return hubSet(spec.hub, { ...read, ...(spec.revision === undefined ? {} : { revision: spec.revision }) });
}
