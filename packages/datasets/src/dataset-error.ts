/** What is wrong with a set of questions, or with what was asked of it. */
export type DatasetErrorCode =
  | "unreadable-file"
  | "missing-column"
  | "invalid-row"
  | "no-data-file"
  | "several-data-files"
  | "missing-image"
  | "ambiguous-image"
  | "invalid-sampling"
  | "invalid-task";

/** The data are bad, or do not hold what was asked. The message names file, row and column. */
export class DatasetError extends Error {
  override readonly name = "DatasetError";
  readonly code: DatasetErrorCode;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;

  constructor(code: DatasetErrorCode, message: string, details: { hint?: string; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }
}
