/** A line of predictions. */
export interface PredictionLine {
  readonly id: string;
  readonly prediction: string;
  readonly topic?: string;
  readonly line: number;
}

/** A line of references. */
export interface ReferenceLine {
  readonly id: string;
  readonly references: readonly string[];
  readonly topic?: string;
  readonly line: number;
}

/** Lines by id, in the order of the file. */
export interface ScoreFile<Line> {
  readonly name: string;
  readonly lines: ReadonlyMap<string, Line>;
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

const predictionKeys = ["prediction", "answer", "text"];
const referenceKeys = ["references", "reference", "answers", "answer"];

/**
 * Reads predictions, JSON an object a line: `id` (text or a whole number), `prediction` (or `answer`, or `text`) and perhaps `topic`.
 * Further keys are ignored, and empty lines.
 * @throws {ScoreFileError} for invalid UTF-8, lines that are not such objects, and ids that come twice
 */
export function readPredictions(
  bytes: Uint8Array,
  name: string,
  options: ScoreFileOptions = {},
): ScoreFile<PredictionLine> {
  return readLines(bytes, name, options, (object, line, shared) => {
    const key = keyOf(object, predictionKeys, name, line);
    const prediction = object[key];
    if (prediction === null) throw new EmptyLineError(`${name}:${line}`, `"${key}" is not text but null`);
    if (typeof prediction !== "string")
      throw new ScoreFileError(`${name}:${line}: "${key}" is not text but ${kindOf(prediction)}`);
    return { ...shared, prediction };
  });
}

/**
 * Reads references: as predictions, with `references` (a list of texts) or `reference`, `answers` or `answer`; each may be one text or a
 * list of them.
 * @throws {ScoreFileError} as `readPredictions`
 */
export function readReferences(
  bytes: Uint8Array,
  name: string,
  options: ScoreFileOptions = {},
): ScoreFile<ReferenceLine> {
  return readLines(bytes, name, options, (object, line, shared) => {
    const key = keyOf(object, referenceKeys, name, line);
    const given = object[key];
    const references = [given].flat().filter((text: unknown) => text !== null);
    if (references.length === 0)
      throw new EmptyLineError(
        `${name}:${line}`,
        `"${key}" is ${Array.isArray(given) ? "an empty list" : "null"}`,
      );
    if (!areTexts(references)) {
      const odd = references.find((text) => typeof text !== "string");
      throw new ScoreFileError(
        `${name}:${line}: "${key}" is not text or a list of texts but has ${kindOf(odd)}`,
      );
    }
    return { ...shared, references };
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
  readonly line: number;
}

function readLines<Line extends SharedKeys>(
  bytes: Uint8Array,
  name: string,
  { leaveOut = false }: ScoreFileOptions,
  read: (object: Readonly<Record<string, unknown>>, line: number, shared: SharedKeys) => Line,
): ScoreFile<Line> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const lines = new Map<string, Line>();
  const leftOut = new Map<string, LeftOutLine>();
  for (let start = 0, line = 1; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    const text = decodeLine(decoder, bytes.subarray(start, end), name, line);
    start = end + 1;
    if (text.trim() === "") continue;
    const object = parseObject(text, name, line);
    const shared = { id: idOf(object, name, line), line, ...topicOf(object, name, line) };
    const earlier = lines.get(shared.id) ?? leftOut.get(shared.id);
    if (earlier !== undefined)
      throw new ScoreFileError(
        `${name}:${line}: id "${shared.id}" is there already, in line ${earlier.line}`,
      );
    try {
      lines.set(shared.id, read(object, line, shared));
    } catch (error) {
      if (!leaveOut || !(error instanceof EmptyLineError)) throw error;
      leftOut.set(shared.id, { line, problem: error.problem });
    }
  }
  if (lines.size + leftOut.size === 0) throw new ScoreFileError(`${name}: has no lines`);
  return { name, lines, leftOut };
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

function idOf({ id }: Readonly<Record<string, unknown>>, name: string, line: number): string {
  if (id === undefined) throw new ScoreFileError(`${name}:${line}: has no "id"`);
  if (typeof id === "string" || Number.isSafeInteger(id)) return String(id);
  throw new ScoreFileError(`${name}:${line}: "id" is neither text nor a whole number but ${kindOf(id)}`);
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

function keyOf(
  object: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  name: string,
  line: number,
): string {
  const key = keys.find((candidate) => object[candidate] !== undefined);
  if (key !== undefined) return key;
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
