import { ssrRenderAttrs } from "vue/server-renderer";
import { useSSRContext } from "vue";
import { _ as _export_sfc } from "./plugin-vue_export-helper.1tPrXgE0.js";
const __pageData = JSON.parse('{"title":"wandb-bridge.py","description":"","frontmatter":{},"headers":[],"relativePath":"examples/wandb-bridge-py.md","filePath":"examples/wandb-bridge-py.md"}');
const _sfc_main = { name: "examples/wandb-bridge-py.md" };
function _sfc_ssrRender(_ctx, _push, _parent, _attrs, $props, $setup, $data, $options) {
  _push(`<div${ssrRenderAttrs(_attrs)}><h1 id="wandb-bridgepy" tabindex="-1">wandb-bridge.py <a class="header-anchor" href="#wandb-bridgepy" aria-label="Permalink to &quot;wandb-bridge.py&quot;">​</a></h1><div class="language-python vp-adaptive-theme"><button title="Copy Code" class="copy"></button><span class="lang">python</span><pre class="shiki shiki-themes github-light-high-contrast github-dark-high-contrast vp-code" tabindex="0"><code><span class="line"><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;&quot;&quot;Lines of JSON on standard input become a run of Weights &amp; Biases; see wandb.ts.&quot;&quot;&quot;</span></span>
<span class="line"></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">import</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> json</span></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">import</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> sys</span></span>
<span class="line"></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">import</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> wandb</span></span>
<span class="line"></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">first </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> json.loads(sys.stdin.readline())</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">run </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> wandb.init(</span><span style="--shiki-light:#702C00;--shiki-dark:#FFB757;">project</span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">first[</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;project&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">], </span><span style="--shiki-light:#702C00;--shiki-dark:#FFB757;">config</span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">first[</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;config&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">])</span></span>
<span class="line"><span style="--shiki-light:#66707B;--shiki-dark:#BDC4CC;"># Steps are a figure of their own: the test split belongs to the best weights, which are older than the last step.</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">run.define_metric(</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;step&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">)</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">run.define_metric(</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;*&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">, </span><span style="--shiki-light:#702C00;--shiki-dark:#FFB757;">step_metric</span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;step&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">)</span></span>
<span class="line"><span style="--shiki-light:#66707B;--shiki-dark:#BDC4CC;"># Without a last word the training was killed.</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">exit_code </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#023B95;--shiki-dark:#91CBFF;"> 1</span></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">for</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> line </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">in</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> sys.stdin:</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">    message </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> json.loads(line)</span></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">    if</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;"> &quot;exitCode&quot;</span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;"> in</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> message:</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">        exit_code </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;"> message[</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;exitCode&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">]</span></span>
<span class="line"><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">    else</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">:</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">        run.log({</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;step&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">: message[</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;step&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">], </span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">**</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">message[</span><span style="--shiki-light:#032563;--shiki-dark:#ADDCFF;">&quot;values&quot;</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">]})</span></span>
<span class="line"><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">run.finish(</span><span style="--shiki-light:#702C00;--shiki-dark:#FFB757;">exit_code</span><span style="--shiki-light:#A0111F;--shiki-dark:#FF9492;">=</span><span style="--shiki-light:#0E1116;--shiki-dark:#F0F3F6;">exit_code)</span></span></code></pre></div></div>`);
}
const _sfc_setup = _sfc_main.setup;
_sfc_main.setup = (props, ctx) => {
  const ssrContext = useSSRContext();
  (ssrContext.modules || (ssrContext.modules = /* @__PURE__ */ new Set())).add("examples/wandb-bridge-py.md");
  return _sfc_setup ? _sfc_setup(props, ctx) : void 0;
};
const wandbBridgePy = /* @__PURE__ */ _export_sfc(_sfc_main, [["ssrRender", _sfc_ssrRender]]);
export {
  __pageData,
  wandbBridgePy as default
};
