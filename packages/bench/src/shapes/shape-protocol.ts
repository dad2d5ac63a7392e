import type { VisualTokens } from "@vlmopt/engine";
import type { EngineSpec } from "../recipe/recipe.ts";

/** What the process of a shape is told; it answers each message with one. */
export type ToShape =
  | { readonly kind: "load"; readonly job: ShapeJob }
  | { readonly kind: "ask" }
  | { readonly kind: "memory" };

export type FromShape =
  | ({ readonly kind: "loaded" } & LoadedShape)
  | ({ readonly kind: "answered" } & ShapeAnswer)
  | { readonly kind: "memory"; readonly process: number; readonly executor: number | null };

export interface ShapeJob {
  /** The contents of config.json. */
  readonly config: unknown;
  /** See `randomCheckpoint`. */
  readonly scheme: string;
  readonly engine: Pick<EngineSpec, "executor" | "threads">;
  /** Tokens of the prompt, the picture's included. */
  readonly promptTokens: number;
  readonly newTokens: number;
  /** That fewer of the picture's tokens go on. */
  readonly visualTokens: VisualTokens | undefined;
}

export interface LoadedShape {
  readonly milliseconds: number;
  /** What `auto` has come to. */
  readonly executor: string;
  readonly parameters: number;
  /** Of all tensors. */
  readonly bytes: number;
  /** See `bytesPerToken`. */
  readonly bytesPerToken: number;
  /** As many as there are, the picture's included. */
  readonly promptTokens: number;
  /** 0 of models that see nothing. */
  readonly imageTokens: number;
  /** Those of them that go on, where not all do. */
  readonly visualTokens?: number;
}

/** Milliseconds. */
export interface ShapeAnswer {
  /** Of the picture by itself, until its features have been read; null of models that see nothing. */
  readonly vision: number | null;
  /** From the pixels to the first token. */
  readonly ttft: number;
  /** To the last. */
  readonly latency: number;
  /** Of keys and values in the cache at the end. */
  readonly cacheBytes: number;
  readonly tokens: readonly number[];
}
