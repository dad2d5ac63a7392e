/** What is wrong with a picture. */
export type ImageErrorCode = "missing" | "unreadable" | "too-large" | "too-narrow";

/** A picture cannot be used: the message names the file and the numbers. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly code: ImageErrorCode;
  /** The file, where it came from one. */
  readonly file: string | undefined;
  /** Pixels it has, where that is known. */
  readonly pixels: number | undefined;
  /** Pixels allowed, where it has too many. */
  readonly limit: number | undefined;

  constructor(
    code: ImageErrorCode,
    message: string,
    details: { file?: string | undefined; pixels?: number; limit?: number; cause?: unknown } = {},
  ) {
    super(
      details.file === undefined ? message : `${details.file}: ${message}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.file = details.file;
    this.pixels = details.pixels;
    this.limit = details.limit;
  }
}
