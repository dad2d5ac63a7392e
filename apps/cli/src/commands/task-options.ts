import { join } from "node:path";

/** Reads the names of tasks. */
export function parseTasks(text: string): string[] {
  return [...new Set(text.split(",").map((name) => name.trim()))].filter((name) => name !== "");
}

export interface TaskOptions {
  readonly limit?: number | undefined;
  readonly prompt?: string | undefined;
  /** Folder with a folder of each task's files. */
  readonly data?: string | undefined;
}

/** Tasks as a recipe has them. */
export function taskSpecs(tasks: readonly string[], { limit, prompt, data }: TaskOptions): object[] {
  return tasks.map((task) => ({
    task,
    ...(limit === undefined ? {} : { limit }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(data === undefined ? {} : { data: join(data, task.replace(/^.*[\\/]|\.\w+$/g, "")) }),
  }));
}
