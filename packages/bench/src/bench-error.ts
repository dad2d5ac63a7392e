/** What was asked of a run cannot be. */
export class BenchError extends Error {
  override readonly name = "BenchError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
