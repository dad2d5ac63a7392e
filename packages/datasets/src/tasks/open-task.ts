import { checkOptions, name } from "@vlmopt/options";
import { DatasetError } from "../dataset-error.ts";
import { openHubFolder } from "../hub/open-hub-folder.ts";
import { pathFilter } from "../hub/path-patterns.ts";
import { cacheFolder } from "../sets/cache-folder.ts";
import type { FileTree } from "../sets/file-tree.ts";
import { type HubSetOptions, hubSetRules, hubTree } from "../sets/hub-set.ts";
import { folderTree } from "../sets/local-folder.ts";
import type { SetLayout } from "../sets/set-layout.ts";
import { openVqaSet, type VqaSet } from "../sets/vqa-set.ts";
import type { Task } from "./task.ts";
import { taskReader } from "./task-reader.ts";

export interface OpenTaskOptions
  extends Omit<HubSetOptions, "columns" | "files" | "split" | "imageRoot" | "encoding"> {
  /** Folder with the task's files, as the hub or as its authors have them. Default: the hub's, in the cache. */
  readonly data?: string;
  /** Which of the task's prompts. Default: its first. */
  readonly prompt?: string;
}

/**
 * A task's questions: records whose questions are whole prompts.
 * @throws {DatasetError} where the task has no such prompt, or the data do not hold what it says
 */
export async function openTask(task: Task, options: OpenTaskOptions = {}): Promise<VqaSet> {
  checkOptions<object>("openTask", options, { ...hubSetRules, data: name, prompt: name });
  const { data, prompt: wanted, ...others } = options;
  const prompt = promptOf(task, wanted);
  if (data !== undefined) {
    const tree = await folderTree(data);
    return openVqaSet(tree, others, layoutIn(tree, task, prompt));
  }
  const { hub } = task;
  if (hub === undefined)
    throw new DatasetError("invalid-task", `${task.name}: the hub does not have it`, {
      hint: "name the folder of its files (data)",
    });
  const repository = `datasets/${hub.repository}`;
  const folder = others.folder ?? cacheFolder(repository, others.env);
  const revision = others.revision ?? hub.revision;
  const at = revision === undefined ? others : { ...others, revision };
  const tree = hubTree(await openHubFolder(repository, folder, at));
  return openVqaSet(tree, others, hubLayout(task, prompt));
}

function promptOf({ name: task, prompts }: Task, wanted: string | undefined): string {
  const names = Object.keys(prompts);
  const prompt = prompts[wanted ?? names[0] ?? ""];
  if (prompt !== undefined) return prompt;
  throw new DatasetError("invalid-task", `${task} has no prompt ${JSON.stringify(wanted)}`, {
    hint: `its prompts are ${names.join(", ")}`,
  });
}

/** The authors' files where they are there, else the hub's. */
function layoutIn({ paths, name: folder }: FileTree, task: Task, prompt: string): SetLayout {
  const { files, hub } = task;
  if (files !== undefined && paths.some(pathFilter(files.files, undefined))) {
    const { joined, fields } = files;
    return {
      reader: taskReader(task, fields, prompt, joined === undefined ? [] : [joined.by]),
      rows: { files: files.files },
      ...(joined === undefined ? {} : { joined }),
    };
  }
  if (hub !== undefined) return hubLayout(task, prompt);
  throw new DatasetError("no-data-file", `${folder}: no file matches ${files?.files.join(", ")}`);
}

function hubLayout(task: Task, prompt: string): SetLayout {
  const { config, split, pictures, fields } = task.hub as NonNullable<Task["hub"]>;
  return {
    reader: taskReader(task, fields, prompt),
    rows: { config, split },
    ...(pictures === undefined ? {} : { pictures }),
  };
}
