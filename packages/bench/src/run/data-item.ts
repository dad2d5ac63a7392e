/** A question of a run, with its pictures in the run's folder. */
export interface DataItem {
  readonly id: string;
  /** Of a task, the whole prompt. */
  readonly question: string;
  /** Paths from the run's folder, with `/`. */
  readonly images: readonly string[];
  /** Hash of what is in its pictures: questions of one picture are right and wrong together, whatever its files are called. */
  readonly picture?: string;
  readonly references: readonly string[];
  readonly topic: string | null;
  /** File, row and picture, for messages. */
  readonly place: string;
  /** Name of the task that it is of. */
  readonly task?: string;
  readonly choices?: readonly string[];
  /** Questions of a task that count together bear the same. */
  readonly unit?: string;
  /** How answers are read, by name. */
  readonly reading?: string;
  /** Most tokens of an answer, where its task says so. */
  readonly maxNewTokens?: number;
}
