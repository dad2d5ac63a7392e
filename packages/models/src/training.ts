// How a model learns from another, as types alone: whoever runs models implements it, whoever trains them uses it, and tests fake it.

/** Numbers of weights, or of their gradients, by name. */
export type Parameters = ReadonlyMap<string, Float32Array>;

/** A student that learns what a teacher would say. Data are rows of tokens; each row may hold many questions about one picture. */
export interface Lesson {
  /** Shapes of the weights that are trained, by name. */
  readonly trained: ReadonlyMap<string, readonly number[]>;
  /** Tokens whose prediction is learned, of each row. */
  readonly tokens: readonly number[];
  /** Tokens whose prediction is tested, of all rows that are held out. */
  readonly heldOutTokens: number;
  /** What the student starts from. */
  initial(): Promise<Parameters>;
  /** The loss summed over the tokens of some rows, and its gradient. */
  gradient(
    parameters: Parameters,
    rows: readonly number[],
  ): Promise<{ readonly loss: number; readonly gradients: Parameters }>;
  /** Mean loss of a token that is held out. */
  heldOutLoss(parameters: Parameters): Promise<number>;
  release(): Promise<void>;
}

/** Lessons of a student's layers, from the first to the last: each learns what the teacher's layer gives for the same input. */
export interface LayerLessons {
  readonly layers: number;
  /** The lesson of the next layer, on what the layers before it give. */
  next(): Promise<Lesson>;
  /** Goes past that layer, which has these weights now. */
  advance(parameters: Parameters): Promise<void>;
  /** Behind the last layer: mean divergence of the teacher's answers that are held out from the student's, as it came and as it is now. */
  divergence(): Promise<{ readonly before: number; readonly after: number }>;
  release(): Promise<void>;
}
