import { type Recipe, visualTokensName } from "./read-recipe.ts";
import type { VisualTokensSpec } from "./recipe.ts";

/** A recipe with every variant that runs here, and says nothing of visual tokens itself, once for each of these numbers of them. */
export function withVisualTokens(recipe: Recipe, numbers: readonly ("all" | VisualTokensSpec)[]): Recipe {
  return {
    ...recipe,
    variants: recipe.variants.flatMap((variant) => {
      if ("endpoint" in variant.source || variant.visualTokens !== undefined) return [variant];
      return numbers.map((visualTokens) =>
        visualTokens === "all"
          ? variant
          : { ...variant, name: `${variant.name}, ${visualTokensName(visualTokens)}`, visualTokens },
      );
    }),
  };
}
