export { type MeteorOptions, meteor } from "./meteor.ts";
export type { Meteor15Options } from "./meteor15.ts";
export {
  alignWords,
  type NltkMeteorOptions,
  type NltkMeteorWeights,
  singleMeteorScore,
} from "./nltk-meteor.ts";
