/** Where a run is. Units of work are comparable, so that what is left can be told from the time that those done took. */
export interface RunProgress {
  /** Empty while data are read and answers scored. */
  readonly variant: string;
  /** `waiting`: another process makes the same checkpoint. */
  readonly phase:
    | "data"
    | "waiting"
    | "making"
    | "answering"
    | "compressing"
    | "recovering"
    | "loading"
    | "speed"
    | "answers"
    | "scoring";
  /** Requests done, and all that there are, over all variants. */
  readonly done: number;
  readonly total: number;
}

/** Says how a variant ended. */
export interface VariantEnd {
  readonly variant: string;
  readonly status: "complete" | "failed";
  readonly error: string | null;
}
