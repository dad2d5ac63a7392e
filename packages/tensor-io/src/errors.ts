/** What is wrong with a checkpoint's bytes; one code for each check a reader makes. */
export type CheckpointErrorCode =
  | "header-too-large"
  | "header-too-short"
  | "header-past-end"
  | "invalid-utf8"
  | "invalid-json"
  | "not-an-object"
  | "duplicate-key"
  | "invalid-tensor-entry"
  | "invalid-metadata"
  | "unknown-dtype"
  | "invalid-offsets"
  | "size-mismatch"
  | "overflow"
  | "misaligned"
  | "file-size-mismatch"
  | "invalid-index"
  | "path-escapes-folder"
  | "missing-shard"
  | "missing-tensor"
  | "unlisted-tensor"
  | "no-checkpoint"
  | "invalid-range"
  | "non-finite"
  | "unsupported-conversion";

export interface ErrorPlace {
  readonly file?: string;
  readonly tensor?: string;
  readonly hint?: string;
}

/** The checkpoint is bad, or was asked for something it does not hold. The message names file, tensor and numbers. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  readonly code: CheckpointErrorCode;
  readonly file: string | undefined;
  readonly tensor: string | undefined;
  /** What to do about it, where that is known. */
  readonly hint: string | undefined;

  constructor(code: CheckpointErrorCode, message: string, place: ErrorPlace = {}) {
    const where = [place.file, place.tensor === undefined ? undefined : `tensor "${place.tensor}"`]
      .filter((part) => part !== undefined)
      .join(": ");
    super(where === "" ? message : `${where}: ${message}`);
    this.code = code;
    this.file = place.file;
    this.tensor = place.tensor;
    this.hint = place.hint;
  }
}

/** The bytes could not be had: the file is unreadable, the network failed, the server answered something else. */
export class SourceError extends Error {
  override readonly name = "SourceError";
  readonly file: string;
  /** HTTP status, where a server answered. */
  readonly status: number | undefined;
  readonly hint: string | undefined;

  constructor(
    file: string,
    message: string,
    details: { status?: number; hint?: string; cause?: unknown } = {},
  ) {
    super(`${file}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.file = file;
    this.status = details.status;
    this.hint = details.hint;
  }
}

/** The output could not be written, or may not be: it exists, the disk is full, permission is denied. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  readonly path: string;
  readonly hint: string | undefined;

  constructor(path: string, message: string, details: { hint?: string; cause?: unknown } = {}) {
    super(`${path}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.path = path;
    this.hint = details.hint;
  }
}
