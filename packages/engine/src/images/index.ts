export { ImageError, type ImageErrorCode } from "./image-error.ts";
export { loadImageProcessor } from "./load-image-processor.ts";
export { imageProcessorFor } from "./processors/image-processor.ts";
export type { ImageProcessor, PreparedImage } from "./processors/prepared-image.ts";
export { type Filter, resize } from "./resample.ts";
export type { RgbImage } from "./rgb-image.ts";
