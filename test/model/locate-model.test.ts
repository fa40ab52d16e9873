import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { locateModel } from '../../src/model/locate-model.js';
import { type LocalHub, localHub } from '../helpers/local-hub.js';
import { thrownBy } from '../helpers/thrown.js';

const cacheDirectory = mkdtempSync(join(tmpdir(), 'permafrost-locate-'));
let hub: LocalHub;
beforeEach(async () => {
  hub = await localHub({});
});
afterAll(() => rmSync(cacheDirectory, { recursive: true, force: true }));

const locate = (name: string) => locateModel(name, { settings: { endpoint: hub.url, cacheDirectory } });

describe('what a person calls a model', () => {
  it('is a directory that is there, before a name of the Hub', async () => {
    expect(await locate('test/model')).toEqual({ directory: 'test/model', name: 'model' });
  });

  it('is told of as a path and as a name where it is neither', async () => {
    const error = await thrownBy(() => locate('test/modle'));
    expect(error.code).toBe('ACCESS_DENIED');
    expect(error.message).toContain(
      `There is no ${resolve('test/modle')} (${resolve('test')} holds architecture`,
    );
    expect(error.message).toContain('as a name of the Hub, ');
    const name = await thrownBy(() => locate('no-such-model'));
    expect(name.message).toContain(`There is no ${resolve('no-such-model')}; as a name of the Hub, `);
  });

  it.each(['./nowhere', 'a/b/c', '/nowhere'])('is a path where it can be no name: %s', async (path) => {
    expect((await locate(path)).directory).toBe(path);
  });
});
