export {
  acquireLock,
  holderNamed,
  LockedError,
  type LockHolder,
  type LockOptions,
  lockHolder,
} from "./folder-lock.ts";
export { removedAtExit } from "./removed-at-exit.ts";
export { assertReplaceable, InTheWayError, type ReplaceOptions } from "./replaceable.ts";
export { readJsonFile, writeWhole } from "./whole-file.ts";
export {
  foreignFiles,
  isRecorded,
  RECORD_NAME,
  recordedNames,
  recordNames,
  recordWritten,
} from "./written-files.ts";
