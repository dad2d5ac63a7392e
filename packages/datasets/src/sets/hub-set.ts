import { checkOptions, name, type Rules } from "@vlmopt/options";
import type { FetchOptions, HubFolder } from "../hub/hub-folder.ts";
import { type OpenHubFolderOptions, openHubFolder } from "../hub/open-hub-folder.ts";
import { cacheFolder } from "./cache-folder.ts";
import type { FileTree } from "./file-tree.ts";
import { fetchRules, hubRules, vqaSetRules } from "./option-rules.ts";
import { openVqaSet, type VqaSet, type VqaSetOptions } from "./vqa-set.ts";

/** Milliseconds that a reader of one image waits for another download into the same folder. */
const LONGEST_WAIT = 10 * 60_000;

export interface HubSetOptions extends VqaSetOptions, OpenHubFolderOptions, FetchOptions {
  /** Where its files go. Default: below VLMOPT_CACHE, else the user's cache. */
  readonly folder?: string;
}

export const hubSetRules: Rules<HubSetOptions> = { ...vqaSetRules, ...fetchRules, ...hubRules, folder: name };

/**
 * Any visual question set on the hub that is kept as JSON, JSON lines, CSV or parquet. The split's files are fetched; images within
 * parquet come with them, others one by one as they are read, or all at once by `fetchImages`.
 * @param id `org/name`
 */
export async function hubSet(id: string, options: HubSetOptions = {}): Promise<VqaSet> {
  checkOptions("hubSet", options, hubSetRules);
  const repository = id.startsWith("datasets/") ? id : `datasets/${id}`;
  const folder = options.folder ?? cacheFolder(repository, options.env);
  return openVqaSet(hubTree(await openHubFolder(repository, folder, options)), options);
}

export function hubTree(hub: HubFolder): FileTree {
  const fetchOne = together((paths) => hub.fetch(paths, { wait: LONGEST_WAIT }));
  return {
    name: hub.repository,
    commit: hub.commit,
    paths: [...hub.files.keys()],
    pathOf: hub.pathOf,
    async fetch(paths, options) {
      if (options === undefined) await Promise.all(paths.map(fetchOne));
      else await hub.fetch(paths, { wait: LONGEST_WAIT, ...options });
    },
  };
}

/** Joins what is asked for while a fetch is under way into the next: images read side by side are fetched side by side. */
function together(fetch: (paths: readonly string[]) => Promise<unknown>): (path: string) => Promise<unknown> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: { readonly paths: string[]; readonly done: Promise<unknown> } | undefined;
  return (path) => {
    if (next === undefined) {
      const paths: string[] = [];
      const done = underWay
        .catch(() => {})
        .then(() => {
          next = undefined;
          return fetch(paths);
        });
      next = { paths, done };
      underWay = done;
    }
    next.paths.push(path);
    return next.done;
  };
}
