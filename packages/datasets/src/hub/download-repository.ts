import { checkOptions, flag, listOf, name, type Rules } from "@vlmopt/options";
import { fetchRules, hubRules } from "../sets/option-rules.ts";
import { HubError } from "./hub-error.ts";
import type { FetchOptions, FetchResult, HubFolder } from "./hub-folder.ts";
import { type OpenHubFolderOptions, openHubFolder } from "./open-hub-folder.ts";
import { pathFilter } from "./path-patterns.ts";

export interface DownloadOptions extends OpenHubFolderOptions, FetchOptions {
  /** Patterns of paths to take, as the hub's own tools read them (`*.json`, `images1/`). Default: everything. */
  readonly allow?: readonly string[];
  /** Patterns of paths to leave, even where `allow` takes them. */
  readonly ignore?: readonly string[];
  /** Where a repository has its weights as safetensors, leave the same weights in other forms. Default false. */
  readonly safetensorsOnly?: boolean;
}

export const downloadRules: Rules<DownloadOptions> = {
  ...fetchRules,
  ...hubRules,
  allow: listOf(name),
  ignore: listOf(name),
  safetensorsOnly: flag,
};

export interface DownloadResult extends FetchResult {
  readonly folder: string;
  readonly repository: string;
  readonly revision: string;
  readonly commit: string;
}

/** Weights in forms other than the safetensors that transformers loads. */
const OTHER_WEIGHTS = [
  ...[
    "*.bin",
    "*.pt",
    "*.pth",
    "*.ckpt",
    "*.h5",
    "*.msgpack",
    "*.ot",
    "*.tflite",
    "*.gguf",
    "*.onnx",
    "*.onnx_data",
  ],
  ...["onnx/", "openvino/", "original/", "consolidated*.safetensors"],
];

/**
 * Downloads a repository, or the part that patterns choose, into a folder. Run again, it goes on where it stopped.
 * @param id `org/name` of a model, or `datasets/org/name`
 */
export async function downloadRepository(
  id: string,
  folder: string,
  options: DownloadOptions = {},
): Promise<DownloadResult> {
  checkOptions("downloadRepository", options, downloadRules);
  const opened = await openHubFolder(id, folder, options);
  const { revision, commit } = opened;
  const result = await opened.fetch(selectFiles(opened, options), options);
  return { ...result, folder: opened.folder, repository: id, revision, commit };
}

function selectFiles({ files, repository }: HubFolder, options: DownloadOptions): string[] {
  const { allow, ignore = [], safetensorsOnly = false } = options;
  const all = [...files.keys()];
  const others = safetensorsOnly && all.some((path) => path.endsWith(".safetensors")) ? OTHER_WEIGHTS : [];
  const paths = all.filter(pathFilter(allow, [...ignore, ...others]));
  if (paths.length > 0) return paths;
  throw new HubError("not-found", `${repository}: none of its ${all.length} files is wanted`, {
    hint: `it holds ${all.slice(0, 5).join(", ")}${all.length > 5 ? ", …" : ""}`,
  });
}
