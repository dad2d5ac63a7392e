import { packUnit, readings } from "@vlmopt/metrics";
import type { DataItem } from "../run/data-item.ts";
import { isReading } from "./find-task.ts";

/** Questions that count together, most often one, and what was said to them, as metrics take it. */
export interface ScoredUnit {
  readonly items: readonly DataItem[];
  readonly prediction: string;
  readonly references: readonly string[];
}

/**
 * What counts together: each question by itself, or those of one unit, where every one of them has an answer.
 * @param answerOf a question's answer; undefined where there is none
 */
export function scoredUnits(
  items: readonly DataItem[],
  answerOf: (item: DataItem) => string | undefined,
): ScoredUnit[] {
  const units = new Map<string, DataItem[]>();
  for (const item of items) {
    const key = item.unit === undefined ? `item ${item.id}` : `unit ${item.task ?? ""} ${item.unit}`;
    const members = units.get(key);
    if (members === undefined) units.set(key, [item]);
    else members.push(item);
  }
  return [...units.values()].flatMap((members): ScoredUnit[] => {
    const read = members.map((item) => {
      const answer = answerOf(item);
      return answer === undefined ? undefined : readAnswer(item, answer);
    });
    const [first] = members;
    if (first === undefined || !read.every((text) => text !== undefined)) return [];
    if (first.unit === undefined)
      return [{ items: members, prediction: read[0] ?? "", references: first.references }];
    const references = [packUnit([first.topic ?? "", ...members.map((item) => item.references[0] ?? "")])];
    return [{ items: members, prediction: packUnit(read), references }];
  });
}

/** What an answer says, as its task reads it; of data that are no task, all of it. */
export function readAnswer({ reading, id, task = "", choices = [] }: DataItem, answer: string): string {
  if (reading === undefined || !isReading(reading)) return answer;
  return readings[reading](answer, { id: id.slice(task.length + 1), choices });
}
