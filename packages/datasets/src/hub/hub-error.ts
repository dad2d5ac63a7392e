/** Why a hub, or the folder that its files go to, could not do what was asked. */
export type HubErrorCode =
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "rate-limited"
  | "server-error"
  | "network"
  | "stalled"
  | "unexpected-answer"
  | "corrupt"
  | "offline"
  | "disk-full"
  | "file-system"
  | "locked"
  | "would-replace"
  | "invalid-argument";

export interface HubErrorDetails {
  /** HTTP status, where a server answered. */
  readonly status?: number;
  /** What to do about it. */
  readonly hint?: string;
  /** Whether the same request may succeed later. */
  readonly transient?: boolean;
  /** Milliseconds that the server asked to wait. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** A download failed. The message names repository, file and numbers, never a token and never the signature of a link. */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly code: HubErrorCode;
  readonly status: number | undefined;
  readonly hint: string | undefined;
  readonly transient: boolean;
  readonly retryAfter: number | undefined;

  constructor(code: HubErrorCode, message: string, details: HubErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status;
    this.hint = details.hint;
    this.transient = details.transient ?? false;
    this.retryAfter = details.retryAfter;
  }
}
