import { isFolder, readBytes } from "../node-files.ts";
import type { PunktParameters } from "./punkt.ts";
import { builtinPunkt } from "./punkt-builtin.ts";

const MODEL = "tokenizers/punkt_tab/english";

export interface PunktModel {
  readonly parameters: PunktParameters;
  /** For signatures. */
  readonly name: "nltk" | "builtin";
}

/**
 * NLTK's English Punkt parameters from an nltk_data folder.
 * @param nltkData the folder; unless told, those in which NLTK looks, and the built-in parameters where none has the model; `false`:
 *   always the built-in parameters
 * @throws {Error} where `nltkData` is told and has no punkt_tab
 */
export function punktModel(nltkData?: string | false): PunktModel {
  if (nltkData === false) return { parameters: builtinPunkt, name: "builtin" };
  const folders = nltkData === undefined ? usualFolders() : [nltkData];
  const folder = folders.map((place) => `${place}/${MODEL}`).find(isFolder);
  if (folder !== undefined) return { parameters: readPunktParameters(folder), name: "nltk" };
  if (nltkData === undefined) return { parameters: builtinPunkt, name: "builtin" };
  throw new Error(
    `${nltkData} has no folder ${MODEL}: download NLTK's punkt_tab there, or leave nltkData out to use the built-in sentence splitter`,
  );
}

/** The folders of NLTK_DATA, then those that NLTK tries on its own. */
function usualFolders(): string[] {
  const { env, platform } = process;
  const windows = platform === "win32";
  const told = (env.NLTK_DATA ?? "").split(windows ? ";" : ":").filter((folder) => folder !== "");
  const home = env.HOME ?? env.USERPROFILE;
  const system = windows
    ? [env.APPDATA, "C:", "D:", "E:"].flatMap((place) => (place === undefined ? [] : [`${place}/nltk_data`]))
    : ["/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib"].map((place) => `${place}/nltk_data`);
  return [...told, ...(home === undefined ? [] : [`${home}/nltk_data`]), ...system];
}

/** The four files of a language of NLTK's punkt_tab. */
export function readPunktParameters(folder: string): PunktParameters {
  const lines = (file: string) =>
    new TextDecoder()
      .decode(readBytes(`${folder}/${file}`))
      .split(/\r?\n/)
      .filter((line) => line !== "");
  return {
    abbreviations: new Set(lines("abbrev_types.txt")),
    collocations: new Set(lines("collocations.tab")),
    sentenceStarters: new Set(lines("sent_starters.txt")),
    orthographicContext: new Map(
      lines("ortho_context.tab").map((line) => {
        const tab = line.lastIndexOf("\t");
        return [line.slice(0, tab), Number(line.slice(tab + 1))];
      }),
    ),
  };
}
