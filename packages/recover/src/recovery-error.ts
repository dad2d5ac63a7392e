/** A recovery that cannot be, and what to do. */
export class RecoveryError extends Error {
  override readonly name = "RecoveryError";

  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}
