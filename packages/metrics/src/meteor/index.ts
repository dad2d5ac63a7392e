export { type MeteorOptions, meteor } from "./meteor.ts";
export {
  alignWords,
  type NltkMeteorOptions,
  type NltkMeteorWeights,
  singleMeteorScore,
} from "./nltk-meteor.ts";
