import type * as quant from "@vlmopt/quant";
import { vi } from "vitest";

/** The package afresh, since which code it uses is settled when it is first used. */
export async function loadQuant(code: string): Promise<typeof quant> {
  vi.resetModules();
  vi.stubEnv("VLMOPT_NO_WASM", code === "plain" ? "1" : "");
  return import("@vlmopt/quant");
}
