/** The request asks for what cannot be. */
export class QuantizationError extends Error {
  override readonly name = "QuantizationError";
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
