import { oneOf } from "@vlmopt/options";
import type { FloatDtype } from "./weights.ts";

const dtypes: readonly FloatDtype[] = ["F32", "F16", "BF16"];

export const floatDtypeRule = oneOf(dtypes);
