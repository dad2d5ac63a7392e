import type { Task } from "@vlmopt/datasets";
import type { DatasetSummary, LeftOutRow } from "../records/run-summary.ts";
import type { DataItem } from "./data-item.ts";

/** A data set of a run, or a task's, as far as rows alone tell: pictures are read by those who ask about them. */
export interface DataPart {
  readonly name: string;
  readonly split: string | null;
  readonly signature: string;
  /** Rows that cannot be asked, whatever their pictures. */
  readonly leftOut: readonly LeftOutRow[];
  /** Rows that can, over all shards. */
  readonly rows: number;
  readonly task?: Task;
  /** Name of the task's prompt. */
  readonly prompt?: string;
}

/** A question at its place among all of a run, or why its picture rules it out. */
export type Question = { readonly at: number } & (
  | { readonly item: DataItem }
  | { readonly leftOut: LeftOutRow; readonly task?: string }
);

/** A task of a run, and what was found of it. */
export interface TaskData {
  readonly task: Task;
  /** Name of its prompt. */
  readonly prompt: string;
  readonly summary: DatasetSummary;
}

/** Questions and what is known of them. */
export interface RunData {
  readonly summary: DatasetSummary;
  /** Of all tasks, in the order of their rows. */
  readonly items: readonly DataItem[];
  /** Empty where questions are of one data set and no task. */
  readonly tasks: readonly TaskData[];
}

/** @param questions in any order */
export function runData(parts: readonly DataPart[], questions: readonly Question[]): RunData {
  const inOrder = [...questions].sort((a, b) => a.at - b.at);
  const items = inOrder.flatMap((question) => ("item" in question ? [question.item] : []));
  const summaries = parts.map(({ name, split, signature, leftOut, task }): DatasetSummary => {
    const withoutPictures = inOrder.flatMap((question) =>
      "leftOut" in question && question.task === task?.name ? [question.leftOut] : [],
    );
    const count = items.filter((item) => item.task === task?.name).length;
    return { name, split, count, leftOut: [...leftOut, ...withoutPictures], signature };
  });
  const tasks = parts.flatMap(({ task, prompt = "" }, i): TaskData[] => {
    const summary = summaries[i];
    return task === undefined || summary === undefined ? [] : [{ task, prompt, summary }];
  });
  const [first] = summaries;
  if (tasks.length === 0 && first !== undefined) return { summary: first, items, tasks };
  const summary = {
    name: tasks.map(({ task }) => task.name).join(", "),
    split: null,
    count: items.length,
    leftOut: summaries.flatMap(({ leftOut = [] }) => leftOut),
    signature: tasks
      .map(({ task, prompt, summary: { signature } }) =>
        [task.name, `prompt:${prompt}`, `tokens:${task.maxNewTokens}`, signature].join("|"),
      )
      .join("\n"),
  };
  return { summary, items, tasks };
}
