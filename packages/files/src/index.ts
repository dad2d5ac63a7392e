export {
  acquireLock,
  holderNamed,
  LockedError,
  type LockHolder,
  type LockOptions,
  lockHolder,
} from "./folder-lock.ts";
export { assertReplaceable, InTheWayError, type ReplaceOptions } from "./replaceable.ts";
export { foreignFiles, isRecorded, RECORD_NAME, recordBeside, recordWritten } from "./written-files.ts";
