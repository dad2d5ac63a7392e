import { DatasetError } from "../dataset-error.ts";
import { cellText, type Place, textsOf } from "../records/cell.ts";
import {
  cellAt,
  empty,
  imageNames,
  optionalText,
  ownColumn,
  requireColumn,
} from "../records/column-mapping.ts";
import type { Row, RowReader, RowRecord, Unusable } from "../records/row-reader.ts";
import type { VqaRecord } from "../records/vqa-record.ts";
import type { Task } from "./task.ts";
import { letterOf, parseTemplate, type Template } from "./template.ts";

type Fields = NonNullable<Task["hub"]>["fields"];

/** How a field is had of a row. */
type FieldReader = (row: Row, place: Place) => string | readonly string[] | undefined;

/**
 * Reads rows as a task says: prompts, choices, units, references.
 * @param prompt text of the prompt, with fields
 * @param others columns that are needed beside the fields'
 */
export function taskReader(
  task: Task,
  fields: Fields,
  prompt: string,
  others: readonly string[] = [],
): RowReader {
  const template = parseTemplate(prompt);
  const unknown = template.names.find(
    (name) => !Object.hasOwn(fields, name) && !Object.hasOwn(optionalFields(task), name),
  );
  if (unknown !== undefined)
    throw new DatasetError(
      "invalid-task",
      `${task.name}: its prompt has the field ${unknown}, which it does not define`,
      {
        hint: `its fields are ${Object.keys(fields).join(", ")}`,
      },
    );
  const readers = new Map(
    Object.entries(fields).map(([name, from]) => [name, fieldReader(name, from, task)]),
  );
  const images = imageColumns(fields);
  const named = [...Object.values(fields).flatMap(columnsOf), ...Object.keys(task.where), ...others];
  return {
    images,
    paths: named,
    columnsRead: (available) => [...new Set(named.map((column) => ownColumn(column, available)))],
    check(table) {
      for (const [name, from] of Object.entries(fields)) {
        const columns = columnsOf(from);
        const some = Array.isArray(from)
          ? columns.filter((column) => table.columns.includes(column))
          : columns;
        for (const column of some.length === 0 ? columns : some)
          if (name !== "category") requireColumn(table, column);
      }
    },
    records(row, place, prefix) {
      const isOther = Object.entries(task.where).some(
        ([column, wanted]) => optionalText(row, column, place) !== wanted,
      );
      if (isOther) return [];
      const values = Object.fromEntries([...readers].map(([name, read]) => [name, read(row, place)]));
      return questionsOf(task, values).map((own) =>
        recordOf(task, fields, template, own, row, place, prefix),
      );
    },
  };
}

/** Fields that another of the task's layouts has: their sections are left out. */
function optionalFields({ hub, files }: Task): Fields {
  return { ...hub?.fields, ...files?.fields };
}

type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A row asks once, or once for each text of a field. */
function questionsOf({ each }: Task, values: Values): Values[] {
  const texts = each === undefined ? undefined : values[each];
  if (each === undefined || texts === undefined) return [values];
  return [texts].flat().map((text, i) => ({
    ...values,
    [each]: text,
    ...(values.id === undefined ? {} : { id: `${values.id}/${i}` }),
  }));
}

function recordOf(
  task: Task,
  fields: Fields,
  template: Template,
  values: Values,
  row: Row,
  place: Place,
  prefix: string,
): RowRecord | Unusable {
  const id = one(values.id) ?? `${prefix}${place.row}`;
  const choices = values.choices === undefined ? undefined : [values.choices].flat();
  const answers = answersOf(task, values, choices, row, fields, place);
  if ("problem" in answers) return answers;
  const { question, columns } = placedImages(template.fill(values), fields);
  const pictures = columns.filter((column) => place.table.pictureColumns?.includes(column));
  const names =
    pictures.length > 0
      ? pictures.map((column) => `${id}#${column}`)
      : [
          ...(columns.length > 0
            ? columns.flatMap((column) => imageNames(row, column, place))
            : [values.image].flat()),
        ];
  const [image] = names;
  if (image === undefined) return empty(columns[0] ?? "image");
  const { unit, category } = values;
  const optional = {
    images: names.length > 1 ? names : undefined,
    topic: one(category),
    choices,
    unit: unitOf(task, one(unit)),
    reading: typeof task.reading === "string" ? task.reading : readingOf(task.reading, values),
    answersAre: task.answerIs === "pixel-box" ? "pixel-boxes" : undefined,
  };
  const record: VqaRecord = {
    id,
    image,
    question,
    answers,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
  return { record, row: place.row, pictures };
}

function answersOf(
  { answerIs }: Task,
  { answer }: Values,
  choices: readonly string[] | undefined,
  row: Row,
  fields: Fields,
  place: Place,
): readonly string[] | Unusable {
  if (answerIs === "pixel-box") {
    const box = cellAt(row, [fields.answer].flat()[0] ?? "", place);
    return Array.isArray(box) && box.length === 4
      ? [JSON.stringify(box.map(Number))]
      : { problem: "its box is not of four numbers", hint: "boxes are [x, y, width, height]" };
  }
  const answers = answer === undefined ? [] : [answer].flat();
  if (answerIs === "text") return answers;
  const letters = answers.map((text) =>
    /^\d+$/.test(text) && choices?.[Number(text)] !== undefined ? letterOf(Number(text)) : undefined,
  );
  return letters.every((letter) => letter !== undefined)
    ? letters
    : {
        problem: `its answer ${JSON.stringify(answers.join(", "))} is the number of none of its ${choices?.length ?? 0} choices`,
        hint: "choices are numbered from 0",
      };
}

/** Of several columns of pictures, those that the prompt names `<image 1>` …, in that order, marked as the model is shown them. */
function placedImages(prompt: string, { image }: Fields): { question: string; columns: readonly string[] } {
  if (image === undefined) return { question: prompt, columns: [] };
  if (!Array.isArray(image)) return { question: prompt, columns: image.includes("{{") ? [] : [image] };
  const columns: string[] = [];
  const question = prompt.replace(/<image (\d+)>/g, (mark, number: string) => {
    const column = image[Number(number) - 1];
    // A picture that is named again is shown once.
    if (column === undefined || columns.includes(column)) return mark;
    columns.push(column);
    return "<image>";
  });
  return { question, columns: columns.length === 0 ? image.slice(0, 1) : columns };
}

function unitOf({ unitModulo }: Task, unit: string | undefined): string | undefined {
  if (unit === undefined || unitModulo === undefined) return unit;
  return String(Number(unit) % unitModulo);
}

function readingOf({ field, cases, otherwise }: Exclude<Task["reading"], string>, values: Values): string {
  return cases[one(values[field]) ?? ""] ?? otherwise;
}

function one(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === "string" ? value : value?.[0];
}

function fieldReader(name: string, from: string | readonly string[], { nothing }: Task): FieldReader {
  const some = (text: string | undefined) =>
    text === undefined || nothing.includes(text) ? undefined : text;
  // Pictures are not text.
  if (name === "image" && (typeof from !== "string" || !from.includes("{{"))) {
    return (row, place) =>
      place.table.pictureColumns?.length || typeof from !== "string"
        ? undefined
        : imageNames(row, from, place);
  }
  if (typeof from !== "string")
    return (row, place) => from.flatMap((column) => some(optionalText(row, column, place)) ?? []);
  if (from.includes("{{")) {
    const template = parseTemplate(from);
    return (row, place) =>
      template.fill(
        Object.fromEntries(template.names.map((column) => [column, optionalText(row, column, place)])),
      );
  }
  return (row, place) => {
    const value = cellAt(row, from, place);
    if (name === "choices" && typeof value === "string" && /^\s*\[\s*\]\s*$/.test(value)) return [];
    if (name === "choices" || name === "answer" || Array.isArray(value))
      return Array.isArray(value) && value.some((item) => typeof item === "number")
        ? value.map(String)
        : textsOf(value, from, place).filter((text) => !nothing.includes(text));
    return some(cellText(value, from, place));
  };
}

function imageColumns({ image }: Fields): string[] {
  if (image === undefined) return [];
  return [image].flat().filter((column) => !column.includes("{{"));
}

function columnsOf(from: string | readonly string[]): readonly string[] {
  if (typeof from !== "string") return from;
  return from.includes("{{") ? parseTemplate(from).names : [from];
}
