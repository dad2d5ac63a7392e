/** One turn of a conversation. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly MessagePart[];
}

export type MessagePart = { readonly type: "text"; readonly text: string } | { readonly type: "image" };
