/** A GGUF file is bad, or cannot say what it should. The message names file, tensor or key, and numbers. */
export class GgufError extends Error {
  override readonly name = "GgufError";
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}
