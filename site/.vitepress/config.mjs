import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

/** Anchors as GitHub makes them, so that links to headings hold in both places. */
const slugify = (title) =>
  title
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const sidebar = JSON.parse(readFileSync(new URL('../pages/sidebar.json', import.meta.url), 'utf8'));

export default defineConfig({
  title: 'permafrost',
  description: 'Fine-tune BERT-family encoders from Node.js, with exact control over which layers learn.',
  lang: 'en',
  srcDir: 'pages',
  outDir: 'dist',
  // Text of the documents is text: `<name>` in it is no tag.
  markdown: {
    html: false,
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    sidebar,
    outline: [2, 3],
    // An index of the pages beside them: nothing is asked of anyone.
    search: { provider: 'local' },
    nav: [
      { text: 'First model', link: '/first-model' },
      { text: 'Freezing', link: '/freezing-explained' },
      { text: 'Guide', link: '/guide' },
      { text: 'Every name', link: '/reference/' },
    ],
  },
});
