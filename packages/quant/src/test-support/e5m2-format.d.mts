import type { Format } from "@vlmopt/quant";

export declare const e5m2: Format;
