/** A chat template that is no Jinja, refuses its messages, or does more than a chat template may. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}
