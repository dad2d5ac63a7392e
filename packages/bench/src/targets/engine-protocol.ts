import type { EngineSpec, VisualTokensSpec } from "../recipe/recipe.ts";
import type { TargetAnswer, TargetRequest } from "./target.ts";

/** What the process of a model is told; it answers each message with one. */
export type ToEngine =
  | {
      readonly kind: "load";
      readonly model: string;
      readonly engine: EngineSpec;
      readonly visualTokens: VisualTokensSpec | undefined;
    }
  | { readonly kind: "answer"; readonly request: TargetRequest }
  | { readonly kind: "memory" };

export type FromEngine =
  | { readonly kind: "loaded"; readonly milliseconds: number }
  | { readonly kind: "answered"; readonly answer: TargetAnswer }
  | { readonly kind: "memory"; readonly process: number; readonly executor: number | null };
