/** A line of predictions. */
export interface PredictionLine {
  readonly id: string;
  readonly prediction: string;
  readonly topic?: string;
  readonly image?: string;
  readonly line: number;
}

/** A line of references. */
export interface ReferenceLine {
  readonly id: string;
  readonly references: readonly string[];
  readonly topic?: string;
  readonly image?: string;
  readonly line: number;
}

/** Lines by id, in the order of the file. */
export interface ScoreFile<Line> {
  readonly name: string;
  readonly lines: ReadonlyMap<string, Line>;
  /** No line has an id: they are numbered. */
  readonly isNumbered?: boolean;
  /** Lines that hold nothing to score, by id, where reading was told to leave them out. */
  readonly leftOut?: ReadonlyMap<string, LeftOutLine>;
}

/** A line that holds an id and no answer, or no reference. */
export interface LeftOutLine {
  readonly line: number;
  readonly problem: string;
}

export interface ScoreFileOptions {
  /** Lines without an answer or a reference (null, an empty list) are left out and told, instead of being errors. */
  readonly leaveOut?: boolean;
  /** Keys of ids, predictions and references, where they are not found by name; dots reach inside. */
  readonly id?: string;
  readonly prediction?: string;
  readonly reference?: string;
  /** Of files of text alone: the texts of a list that a cell holds as text; undefined where it holds none. */
  readonly readList?: (text: string) => readonly string[] | undefined;
}

/** A prediction with what it is scored against. */
export interface ScoredItem {
  readonly id: string;
  readonly prediction: string;
  readonly references: readonly string[];
  /** What another system predicted. */
  readonly versus?: string;
  readonly topic?: string;
}

/** A file of predictions or references that cannot be scored; the message names file and line. */
export class ScoreFileError extends Error {
  override readonly name = "ScoreFileError";
}

/** The line holds nothing to score. */
class EmptyLineError extends ScoreFileError {
  readonly problem: string;

  constructor(place: string, problem: string) {
    super(`${place}: ${problem}`);
    this.problem = problem;
  }
}

/** A row of a file of whatever kind, and its place there: a line, or the number of the row. */
export interface AnswerRow {
  readonly line: number;
  readonly row: Readonly<Record<string, unknown>>;
}

/**
 * Keys that predictions go by, as paths: of ours, of lmms-eval's samples, of OpenAI's batches, of VQA's and LLaVA's results. The first that a row has
 * counts.
 */
const predictionKeys = [
  ...["prediction", "filtered_resps", "response.body.choices.message.content", "resps", "answer", "text"],
  ...["output", "generated_text", "pred", "response"],
];
const referenceKeys = [
  ...[
    "references",
    "reference",
    "answers.answer",
    "answers",
    "target",
    "ground_truth",
    "gt_answers",
    "answer",
  ],
  ...["label", "text"],
];
const idKeys = ["custom_id", "id", "question_id", "questionId", "doc_id", "index"];

/**
 * Reads predictions, from rows or from JSON lines: an id (a text or a whole number) and an answer, by the keys that ours and other tools' files have, and
 * perhaps `topic` and `image`. Further keys are ignored, and empty lines. Files of which no row has an id are numbered from 0.
 * @throws {ScoreFileError} for invalid UTF-8, lines that are no objects, and ids that come twice
 */
export function readPredictions(
  given: Uint8Array | readonly AnswerRow[],
  name: string,
  options: ScoreFileOptions = {},
): ScoreFile<PredictionLine> {
  const { prediction: told } = options;
  return readRows(given, name, options, (row, line, shared) => {
    const { key, value } = foundIn(row, told === undefined ? predictionKeys : [told], name, line);
    const [first] = [value].flat(3);
    if (first === undefined || first === null)
      throw new EmptyLineError(
        `${name}:${line}`,
        `"${key}" ${first === null ? "is not text but null" : "is an empty list"}`,
      );
    if (typeof first !== "string" && typeof first !== "number")
      throw new ScoreFileError(`${name}:${line}: "${key}" is not text but ${kindOf(first)}`);
    return { ...shared, prediction: String(first) };
  });
}

/**
 * Reads references: as predictions, with `references` (a list of texts) or `reference`, `answers` or `answer` and more; each may be one text or a
 * list of them.
 * @throws {ScoreFileError} as `readPredictions`
 */
export function readReferences(
  given: Uint8Array | readonly AnswerRow[],
  name: string,
  options: ScoreFileOptions = {},
): ScoreFile<ReferenceLine> {
  const { reference: told, readList } = options;
  return readRows(given, name, options, (row, line, shared) => {
    const { key, value } = foundIn(row, told === undefined ? referenceKeys : [told], name, line);
    const written = typeof value === "string" ? (readList?.(value) ?? value) : value;
    const references = [written].flat(2).filter((text: unknown) => text !== null);
    if (references.length === 0)
      throw new EmptyLineError(
        `${name}:${line}`,
        `"${key}" is ${Array.isArray(written) ? "an empty list" : "null"}`,
      );
    const texts = references.map((text) => (typeof text === "number" ? String(text) : text));
    if (!areTexts(texts)) {
      const odd = texts.find((text) => typeof text !== "string");
      throw new ScoreFileError(
        `${name}:${line}: "${key}" is not text or a list of texts but has ${kindOf(odd)}`,
      );
    }
    return { ...shared, references: texts };
  });
}

/**
 * Puts predictions and references of one id together, in the order of the references. What one file left out is in none.
 * @throws {ScoreFileError} where a file lacks an id of another
 */
export function joinScoreFiles(
  predictions: ScoreFile<PredictionLine>,
  references: ScoreFile<ReferenceLine>,
  versus?: ScoreFile<PredictionLine>,
): ScoredItem[] {
  for (const file of versus ? [predictions, versus] : [predictions]) {
    if (file.isNumbered !== references.isNumbered) {
      const [without, others] = file.isNumbered ? [file, references] : [references, file];
      throw new ScoreFileError(
        `${without.name}: has no ids, and ${others.name} has: say which key holds them (--id)`,
      );
    }
    assertHolds(file, references);
    assertHolds(references, file);
  }
  const files = versus ? [predictions, versus, references] : [predictions, references];
  const isWhole = ({ id }: ReferenceLine) => files.every((file) => !file.leftOut?.has(id));
  return [...references.lines.values()].filter(isWhole).map((reference) => {
    const { id } = reference;
    const prediction = predictions.lines.get(id) as PredictionLine;
    const topic = reference.topic ?? prediction.topic;
    const other = versus?.lines.get(id);
    return {
      id,
      prediction: prediction.prediction,
      references: reference.references,
      ...(other === undefined ? {} : { versus: other.prediction }),
      ...(topic === undefined ? {} : { topic }),
    };
  });
}

function assertHolds(file: ScoreFile<unknown>, other: ScoreFile<{ readonly line: number }>): void {
  const missing = [...other.lines].filter(([id]) => !file.lines.has(id) && !file.leftOut?.has(id));
  const [first] = missing;
  if (first === undefined) return;
  const [id, { line }] = first;
  throw new ScoreFileError(
    `${file.name}: has ${file.lines.size} ids and lacks ${missing.length} of the ${other.lines.size} in ${other.name}, first "${id}" (${other.name}:${line})`,
  );
}

interface SharedKeys {
  readonly id: string;
  readonly topic?: string;
  readonly image?: string;
  readonly line: number;
}

function readRows<Line extends SharedKeys>(
  given: Uint8Array | readonly AnswerRow[],
  name: string,
  { leaveOut = false, id: told }: ScoreFileOptions,
  read: (row: AnswerRow["row"], line: number, shared: SharedKeys) => Line,
): ScoreFile<Line> {
  const rows = given instanceof Uint8Array ? jsonLines(given, name) : given;
  const lines = new Map<string, Line>();
  const leftOut = new Map<string, LeftOutLine>();
  const keys = told === undefined ? idKeys : [told, ...idKeys];
  const isNumbered = rows.every(({ row }) => keys.every((key) => reach(row, key) === undefined));
  for (const [i, { row, line }] of rows.entries()) {
    const id = isNumbered ? String(i) : idOf(row, keys, name, line);
    const { image } = row;
    const shared = {
      id,
      line,
      ...topicOf(row, name, line),
      ...(typeof image === "string" && image !== "" ? { image } : {}),
    };
    const earlier = lines.get(id) ?? leftOut.get(id);
    if (earlier !== undefined)
      throw new ScoreFileError(`${name}:${line}: id "${id}" is there already, in line ${earlier.line}`);
    try {
      lines.set(id, read(row, line, shared));
    } catch (error) {
      if (!leaveOut || !(error instanceof EmptyLineError)) throw error;
      leftOut.set(id, { line, problem: error.problem });
    }
  }
  if (lines.size + leftOut.size === 0) throw new ScoreFileError(`${name}: has no lines`);
  return { name, lines, leftOut, ...(isNumbered ? { isNumbered } : {}) };
}

function jsonLines(bytes: Uint8Array, name: string): AnswerRow[] {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const rows: AnswerRow[] = [];
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = decodeLine(decoder, bytes.subarray(start, end), name, line);
    start = end + 1;
    if (text.trim() !== "") rows.push({ line, row: parseObject(text, name, line) });
  }
  return rows;
}

/** What a path reaches: within lists, of each object in them. */
function reach(row: unknown, path: string): unknown {
  if (typeof row === "object" && row !== null && Object.hasOwn(row, path))
    return (row as Readonly<Record<string, unknown>>)[path];
  let value: unknown = row;
  for (const part of path.split(".")) {
    if (Array.isArray(value)) {
      const found = value.map((item) => member(item, part));
      value = found.length > 0 && found.every((item) => item === undefined) ? undefined : found;
    } else value = member(value, part);
  }
  return value;
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

function decodeLine(decoder: TextDecoder, bytes: Uint8Array, name: string, line: number): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ScoreFileError(`${name}:${line}: is not valid UTF-8`);
  }
}

function parseObject(text: string, name: string, line: number): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ScoreFileError(`${name}:${line}: is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ScoreFileError(`${name}:${line}: is not a JSON object but ${kindOf(value)}`);
  return value as Readonly<Record<string, unknown>>;
}

function idOf(row: AnswerRow["row"], keys: readonly string[], name: string, line: number): string {
  const key = keys.find((candidate) => reach(row, candidate) !== undefined);
  if (key === undefined)
    throw new ScoreFileError(`${name}:${line}: has no "${keys === idKeys ? "id" : keys[0]}"`);
  const id = reach(row, key);
  if (typeof id === "string" || Number.isSafeInteger(id)) return String(id);
  throw new ScoreFileError(`${name}:${line}: "${key}" is neither text nor a whole number but ${kindOf(id)}`);
}

function topicOf(
  { topic }: Readonly<Record<string, unknown>>,
  name: string,
  line: number,
): { topic?: string } {
  if (topic === undefined || topic === null) return {};
  if (typeof topic === "string") return { topic };
  throw new ScoreFileError(`${name}:${line}: "topic" is not text but ${kindOf(topic)}`);
}

function foundIn(
  row: AnswerRow["row"],
  keys: readonly string[],
  name: string,
  line: number,
): { key: string; value: unknown } {
  for (const key of keys) {
    const value = reach(row, key);
    if (value !== undefined) return { key, value };
  }
  throw new EmptyLineError(`${name}:${line}`, `has none of ${keys.map((k) => `"${k}"`).join(", ")}`);
}

function areTexts(values: readonly unknown[]): values is readonly string[] {
  return values.every((value) => typeof value === "string");
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
