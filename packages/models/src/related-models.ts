import { ConfigError, type ModelDescription } from "./description.ts";

/** A model by its description, and where it lies. */
interface Named {
  readonly location: string;
  readonly description: ModelDescription;
}

/** @throws {ConfigError} where a student was not made from the teacher: kind, vocabulary or hidden size differ */
export function assertRelated(student: Named, teacher: Named): void {
  const facts = ({ description }: Named) => ({
    "model type": description.modelType,
    "vocabulary size": description.languageModel.vocabSize,
    "hidden size": description.languageModel.hiddenSize,
  });
  const [own, others] = [facts(student), facts(teacher)];
  for (const [name, value] of Object.entries(own)) {
    const other = others[name as keyof typeof others];
    if (value === other) continue;
    throw new ConfigError(
      `${student.location} has the ${name} ${value} and ${teacher.location} ${other}: name as the teacher the model that the student was made from`,
    );
  }
}
