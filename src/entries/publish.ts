// permafrost/publish: trained models for others to use.
export { type ExportOptions, exportOnnx, type OnnxExport } from '../export/export-onnx.js';
