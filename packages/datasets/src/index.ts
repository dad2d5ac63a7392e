export { type AnswerRows, answerRows } from "./answers/answer-rows.ts";
export { DatasetError, type DatasetErrorCode } from "./dataset-error.ts";
export { findAccessToken } from "./hub/access-token.ts";
export {
  type DownloadOptions,
  type DownloadResult,
  downloadRepository,
  downloadRules,
} from "./hub/download-repository.ts";
export type { HubOptions } from "./hub/hub-connection.ts";
export { HubError, type HubErrorCode } from "./hub/hub-error.ts";
export type { HubFile } from "./hub/hub-file.ts";
export type { DownloadProgress, FetchOptions, FetchResult, HubFolder } from "./hub/hub-folder.ts";
export { type OpenHubFolderOptions, openHubFolder } from "./hub/open-hub-folder.ts";
export { listOfTexts } from "./records/cell.ts";
export {
  type ColumnMapping,
  type ColumnMappingInput,
  columnMappingSchema,
} from "./records/column-mapping.ts";
export type { UnusableRow } from "./records/row-reader.ts";
export type { VqaRecord } from "./records/vqa-record.ts";
export { type Sampling, sampleRecords, samplingSchema } from "./sampling.ts";
export { cacheFolder } from "./sets/cache-folder.ts";
export { type HubSetOptions, hubSet } from "./sets/hub-set.ts";
export { localFolder } from "./sets/local-folder.ts";
export type { VqaSet, VqaSetOptions } from "./sets/vqa-set.ts";
export {
  VQAONLINE_REPOSITORY,
  type VqaonlineOptions,
  type VqaonlineSplit,
  vqaonline,
  vqaonlineSplits,
} from "./sets/vqaonline.ts";
export { imageSize } from "./tasks/image-size.ts";
export { tasks } from "./tasks/index.ts";
export { type OpenTaskOptions, openTask } from "./tasks/open-task.ts";
export { pictureBox } from "./tasks/picture-box.ts";
export { defineTask, type Task, type TaskInput, taskSchema } from "./tasks/task.ts";
