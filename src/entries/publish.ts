// permafrost/publish: trained models for others to use.
export { type ExportOptions, exportOnnx, type OnnxExport } from '../export/export-onnx.js';
export type { Push, PushedFile, PushedState, PushProgress } from '../hub/push.js';
export { type PushModelOptions, pushModel } from '../model/push-model.js';
