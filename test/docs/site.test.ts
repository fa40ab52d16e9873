import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeInBrowser, launchBrowser } from '../helpers/browser.js';
import { ROOT } from './blocks.js';

const DIST = join(ROOT, 'site', 'dist');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PAGES = ['', 'first-model.html', 'from-trainer.html', 'freezing-explained.html', 'records.html'];
const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Builds the site, which takes half a minute and packages of its own. */
const isAsked = process.env.PERMAFROST_SITE === '1';

async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://localhost').pathname);
    const file = join(DIST, normalize(path.endsWith('/') ? `${path}index.html` : path));
    if (!existsSync(file)) return void response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.setHeader('content-type', type).end(readFileSync(file));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

(isAsked ? describeInBrowser : describe.skip)('the site (PERMAFROST_SITE=1)', () => {
  let server: Server;
  let browser: Browser;
  let origin: string;

  beforeAll(async () => {
    const build = spawn(process.execPath, [join(ROOT, 'site', 'build.mjs')], { stdio: 'inherit' });
    const [status] = await once(build, 'close');
    expect(status, 'the build, and its check of links').toBe(0);
    server = await serve();
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** Opens a page, and afterwards expects that it asked nobody else, and complained of nothing. */
  async function onPage(path: string, options: BrowserContextOptions, look: (page: Page) => Promise<void>) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    try {
      const page = await context.newPage();
      const wrong: string[] = [];
      page.on('console', (message) => message.type() === 'error' && wrong.push(message.text()));
      page.on('pageerror', (error) => wrong.push(error.message));
      page.on('request', (request) => request.url().startsWith(origin) || wrong.push(request.url()));
      await page.goto(origin + path);
      await look(page);
      expect(wrong).toEqual([]);
    } finally {
      await context.close();
    }
  }

  describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
    it.each(PAGES)('/%s can be read by everyone', async (path) => {
      await onPage(path, { colorScheme }, async (page) => {
        await page.evaluate(AXE);
        const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
        const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
        const faults = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).slice(0, 3)}`);
        expect(faults).toEqual([]);
        const [red] = /\d+/.exec(
          (await page.evaluate('getComputedStyle(document.body).backgroundColor')) as string,
        )!;
        expect(Number(red) < 128).toBe(colorScheme === 'dark');
      });
    });
  });

  it.each(PAGES)('/%s fits a phone', async (path) => {
    await onPage(path, { viewport: { width: 360, height: 740 } }, async (page) => {
      expect(
        await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'),
      ).toBeLessThanOrEqual(0);
    });
  });

  it('is searched without asking anyone', async () => {
    await onPage('', {}, async (page) => {
      await page.getByRole('button', { name: 'Search' }).first().click();
      await page.locator('#localsearch-input').fill('RUN_MISMATCH');
      const first = page.locator('#localsearch-list a').first();
      await expect.poll(() => first.getAttribute('href'), { timeout: 20_000 }).toMatch(/\.html/);
    });
  });
});
