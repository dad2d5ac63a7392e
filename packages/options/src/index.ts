export { checkOptions, checkValue, OptionError, type Rules } from "./check-options.ts";
export {
  anything,
  either,
  finite,
  flag,
  func,
  listOf,
  name,
  object,
  oneOf,
  type Range,
  type Rule,
  share,
  text,
  threads,
  whole,
} from "./rules.ts";
