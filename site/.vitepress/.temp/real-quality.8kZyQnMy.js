const _imports_0 = "/real-quality.svg";
export {
  _imports_0 as _
};
