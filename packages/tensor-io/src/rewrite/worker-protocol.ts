import { CheckpointError, SinkError, SourceError } from "../errors.ts";
import type { Task } from "./task.ts";

/** What a worker is started with. */
export interface WorkerSetup {
  /** What errors call the output. */
  readonly sinkName: string;
  /** Output files that are shared memory instead of paths. */
  readonly memory: ReadonlyMap<string, SharedArrayBuffer>;
}

export type ToWorker = { readonly kind: "run"; readonly tasks: readonly Task[] } | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "progress"; readonly bytes: number }
  | { readonly kind: "done"; readonly bytes: number }
  | { readonly kind: "failed"; readonly error: PackedError };

/** An error as a message: structured cloning keeps an error's message and loses its class and fields. */
export interface PackedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

const typedErrors = { CheckpointError, SinkError, SourceError } as const;

export function packError(error: unknown): PackedError {
  if (!(error instanceof Error))
    return { name: "Error", message: String(error), stack: undefined, fields: {} };
  const { cause: _, ...fields } = error as Error & Record<string, unknown>;
  return { name: error.name, message: error.message, stack: error.stack, fields };
}

export function unpackError({ name, message, stack, fields }: PackedError): Error {
  const typed = Object.hasOwn(typedErrors, name) ? typedErrors[name as keyof typeof typedErrors] : Error;
  const error: Error = Object.create(typed.prototype);
  return Object.defineProperties(Object.assign(error, fields), {
    name: { value: name, writable: true, configurable: true },
    message: { value: message, writable: true, configurable: true },
    stack: { value: stack, writable: true, configurable: true },
  });
}
