import { type DownloadOptions, downloadRepository, HubError } from "@vlmopt/datasets";
import { expect, onTestFinished } from "vitest";
import { type Files, type HubServer, type Misbehaviour, startHub } from "./hub-server.ts";

export const weights = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 2654435761) >>> 24);
export const model: Files = {
  "config.json": '{"model_type":"llava"}',
  "model.safetensors": weights,
  "pytorch_model.bin": weights.subarray(7),
  "onnx/model.onnx": weights.subarray(9),
  "tokenizer/a b#ü.json": "{}",
  "tokenizer/empty.txt": "",
};

export async function hubWith(misbehave?: Misbehaviour): Promise<HubServer> {
  const hub = await startHub({ "org/model": model });
  if (misbehave !== undefined) hub.misbehave = misbehave;
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

export function download(hub: HubServer, folder: string, options: DownloadOptions = {}) {
  return downloadRepository("org/model", folder, {
    endpoint: hub.endpoint,
    token: false,
    retryDelay: 1,
    ...options,
  });
}

/** A server that misbehaves the first `times` times that the large file is asked for where it is stored. */
export function storageFails(times: number, how: Misbehaviour): Misbehaviour {
  let left = times;
  return (request, response, bytes) =>
    request.host === "storage" && left-- > 0 ? how(request, response, bytes) : false;
}

/** Sends the first half, then cuts the line. */
export const dropMidway: Misbehaviour = (_, response, bytes) => {
  response.writeHead(200, { "content-length": bytes.length });
  response.write(bytes.subarray(0, bytes.length / 2), () => setTimeout(() => response.destroy(), 20));
  return true;
};

export const status =
  (code: number, headers = {}, body = ""): Misbehaviour =>
  (_, response) => {
    response.writeHead(code, headers).end(body);
    return true;
  };

export async function failure(work: Promise<unknown>): Promise<HubError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

const trickle =
  (interval: number): Misbehaviour =>
  (_, response, bytes) => {
    response.writeHead(200, { "content-length": bytes.length });
    let sent = 0;
    const timer = setInterval(() => {
      response.write(bytes.subarray(sent, sent + 1000));
      sent += 1000;
      if (sent >= bytes.length || response.destroyed) clearInterval(timer);
    }, interval);
    return true;
  };
/** A kilobyte every 2 ms: 300 of them take a moment. */
export const slowly = trickle(2);
/** A kilobyte every 100 ms: 300 of them take half a minute. */
export const verySlowly = trickle(100);
