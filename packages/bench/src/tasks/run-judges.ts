import type { DataItem } from "../run/data-item.ts";
import type { Answered, Judge, Measured, Reference } from "../run/quality.ts";
import { type JudgeResources, openJudge, qualityIndex } from "../run/quality.ts";
import type { RunData, TaskData } from "../run/run-data.ts";
import { meanOverTasks } from "./mean-over-tasks.ts";
import { type ScoredUnit, scoredUnits } from "./task-units.ts";

/** What a variant's answers score: of one data set, or of every task and their mean. */
export interface Scored {
  /** In an order that is the same for all variants. */
  readonly measured: readonly Measured[];
  /** By figure, of each question by its id. */
  readonly items: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** What the answers score against other questions' references; undefined of a single question. */
  references(): Promise<readonly (Reference | undefined)[]>;
}

interface Part {
  readonly task: TaskData["task"] | undefined;
  readonly judge: Judge;
  readonly units: readonly ScoredUnit[];
  readonly measured: readonly Measured[];
}

/** The figure that stands for a task, with its name before it. */
export function taskFigure({ name, headline }: TaskData["task"], measured: readonly Measured[]): string {
  const figures = measured.flatMap(({ aggregation }) => aggregation.figures);
  return headline === undefined ? (figures[0] ?? name) : `${name}/${headline}`;
}

/** Opens the metrics of a recipe's data, or of its tasks. */
export async function openScorer(
  metrics: readonly string[],
  { tasks }: Pick<RunData, "tasks">,
  resources: JudgeResources,
): Promise<
  (
    items: readonly DataItem[],
    answers: ReadonlyMap<string, { readonly prediction: string }>,
  ) => Promise<Scored>
> {
  const judges = new Map<TaskData["task"] | undefined, Judge>();
  if (tasks.length === 0) judges.set(undefined, await openJudge(metrics, resources));
  for (const { task } of tasks) judges.set(task, await openJudge(task.metrics, resources));
  return async (items, answers) => {
    const parts: Part[] = [];
    for (const [task, judge] of judges) {
      const own = items.filter((item) => item.task === task?.name);
      const units = scoredUnits(own, ({ id }) => answers.get(id)?.prediction);
      if (units.length === 0) continue;
      const measured = measuredFor(task, await judge.measure(answered(units)), units);
      parts.push({ task, judge, units, measured });
    }
    return scoredOf(parts);
  };
}

function answered(units: readonly ScoredUnit[]): Answered {
  return {
    predictions: units.map(({ prediction }) => prediction),
    references: units.map(({ references }) => references),
  };
}

function scoredOf(parts: readonly Part[]): Scored {
  const items = new Map<string, Readonly<Record<string, number>>>();
  for (const { units, measured } of parts) {
    for (const [u, unit] of units.entries()) {
      const scores = Object.assign({}, ...measured.map(({ result }) => result.items[u] ?? {}));
      for (const { id } of unit.items) items.set(id, scores);
    }
  }
  const mean = meanOf(parts);
  return {
    measured: [...(mean === undefined ? [] : [mean]), ...parts.flatMap(({ measured }) => measured)],
    items,
    async references() {
      const floors: (Measured | undefined)[] = [];
      const floorParts: Part[] = [];
      for (const part of parts) {
        const { judge, units, task, measured } = part;
        if (units.length < 2) {
          floors.push(...measured.map(() => undefined));
          continue;
        }
        const floor = measuredFor(task, await judge.floor(answered(units)), units);
        floors.push(...floor);
        floorParts.push({ ...part, measured: floor });
      }
      const meanFloor = floorParts.length === parts.length ? meanOf(floorParts) : undefined;
      const all = [
        ...(mean === undefined ? [] : [[mean, meanFloor] as const]),
        ...parts.flatMap(({ measured }) => measured).map((dense, i) => [dense, floors[i]] as const),
      ];
      return all.map(([dense, floor]) => (floor === undefined ? undefined : { dense, floor }));
    },
  };
}

/** Of several tasks. */
function meanOf(parts: readonly Part[]): Measured | undefined {
  const figures = parts.flatMap(({ task, measured }) => {
    if (task === undefined) return [];
    const figure = taskFigure(task, measured);
    const of = measured.find(({ aggregation }) => aggregation.figures.includes(figure));
    return of === undefined ? [] : [{ measured: of, figure, full: task.full }];
  });
  return figures.length < 2 ? undefined : meanOverTasks(figures);
}

/** With the seed's Q where it is measured, and a task's name before its figures: tasks share metrics. */
function measuredFor(
  task: TaskData["task"] | undefined,
  measured: readonly Measured[],
  units: readonly ScoredUnit[],
): readonly Measured[] {
  // Without pictures a question stands by itself.
  const clusters = units.map(({ items: [first] }) => first?.picture ?? `question ${first?.id}`);
  if (task === undefined) {
    const q = qualityIndex(measured);
    return [...measured, ...(q === undefined ? [] : [q])].map((one) => ({ ...one, clusters }));
  }
  const strata = task.metrics.includes("mme")
    ? units.map(({ items: [first] }) => first?.topic ?? "")
    : undefined;
  return measured.map((one) => ({ ...named(task, one, strata), clusters }));
}

function named(
  { name, headline }: TaskData["task"],
  measured: Measured,
  strata: readonly string[] | undefined,
): Measured {
  const { aggregation, result } = measured;
  const full = (figure: string) => `${name}/${figure}`;
  const withName = (scores: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(scores).map(([figure, score]) => [full(figure), score]));
  // Statistics of means stand in the order of their figures.
  const isFree = aggregation.mean === undefined;
  const figures =
    isFree && headline !== undefined && aggregation.figures.includes(headline)
      ? [headline, ...aggregation.figures.filter((figure) => figure !== headline)]
      : aggregation.figures;
  return {
    ...measured,
    task: name,
    aggregation: {
      ...aggregation,
      figures: figures.map(full),
      aggregate: (sum, count) => withName(aggregation.aggregate(sum, count)),
    },
    result: {
      ...result,
      aggregate: withName(result.aggregate),
      items: result.items.map(withName),
    },
    ...(strata === undefined ? {} : { strata }),
  };
}
