import { readFile } from "node:fs/promises";
import { type Task, taskSchema, tasks } from "@vlmopt/datasets";
import { parseMetric, type ReadingName, readingNames } from "@vlmopt/metrics";
import { parseDocument } from "yaml";
import { z } from "zod";
import { BenchError } from "../bench-error.ts";
import { isTaskFile } from "../recipe/task-spec.ts";

/**
 * A task by its name, or from a file, YAML or JSON.
 * @throws {BenchError} where there is none, or the file is no task
 */
export async function findTask(name: string): Promise<Task> {
  if (isTaskFile(name)) return readTask(name);
  const found = tasks.find((task) => task.name === name);
  if (found !== undefined) return found;
  throw new BenchError(
    `there is no task ${JSON.stringify(name)}`,
    `there are ${tasks.map((task) => task.name).join(", ")}; a task of your own is named by its file (./mine.yaml)`,
  );
}

async function readTask(file: string): Promise<Task> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new BenchError(`${file}: ${error.code === "ENOENT" ? "no such file" : error.message}`);
  });
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new BenchError(`${file}: ${problem.message.split("\n")[0]}`);
  const parsed = taskSchema.safeParse(document.toJS());
  if (!parsed.success)
    throw new BenchError(
      `${file}: is no task: ${z.prettifyError(parsed.error).replaceAll(/\s+/g, " ")}`,
      "vlmopt tasks <name> prints one to begin with",
    );
  const task = parsed.data;
  const { reading, metrics } = task;
  const used = typeof reading === "string" ? [reading] : [...Object.values(reading.cases), reading.otherwise];
  assertKnown(file, "reading", used, readingNames);
  for (const metric of metrics) {
    try {
      parseMetric(metric);
    } catch (error) {
      throw new BenchError(`${file}: ${(error as Error).message}`);
    }
  }
  return task;
}

function assertKnown(file: string, kind: string, used: readonly string[], known: readonly string[]): void {
  const unknown = used.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new BenchError(
    `${file}: there is no ${kind} ${JSON.stringify(unknown)}`,
    `there are ${known.join(", ")}`,
  );
}

/** Whether a reading is known: tasks name theirs by texts. */
export function isReading(name: string): name is ReadingName {
  return (readingNames as readonly string[]).includes(name);
}
