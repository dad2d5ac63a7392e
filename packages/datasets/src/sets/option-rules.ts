import { finite, flag, func, listOf, name, object, type Rules, whole } from "@vlmopt/options";
import type { FetchOptions } from "../hub/hub-folder.ts";
import type { OpenHubFolderOptions } from "../hub/open-hub-folder.ts";
import type { VqaSetOptions } from "./vqa-set.ts";

export const vqaSetRules: Rules<VqaSetOptions> = {
  split: name,
  columns: object,
  files: listOf(name, { least: 1 }),
  imageRoot: name,
  topics: listOf(name, { least: 1 }),
  sample: object,
  encoding: name,
  leaveOut: func,
};

export const fetchRules: Rules<FetchOptions> = {
  concurrency: whole({ to: 256 }),
  replace: flag,
  wait: finite({ from: 0 }),
  signal: object,
  onProgress: func,
};

export const hubRules: Rules<OpenHubFolderOptions> = {
  retries: whole({ from: 0 }),
  retryDelay: finite({ from: 0 }),
  onWait: func,
  signal: object,
  endpoint: name,
  token: {
    problem: (token) =>
      typeof token === "string" || token === false ? undefined : "is neither a token nor false",
  },
  offline: flag,
  stallTimeout: finite({ above: 0 }),
  fetch: func,
  env: object,
  revision: name,
};
