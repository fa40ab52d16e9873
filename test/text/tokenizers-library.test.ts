import { expect, it } from 'vitest';
import { tokenizersLibrary } from '../../src/text/tokenizers-library.js';
import { thrownBy } from '../helpers/thrown.js';

it('says what to do where the library has no binary for the platform', async () => {
  const error = await thrownBy(() =>
    tokenizersLibrary((name) => {
      throw new Error(`Cannot find module '${name}-none'\nRequire stack:`);
    }),
  );
  expect(error).toMatchObject({ code: 'ADDON_MISSING', details: { package: '@anush008/tokenizers' } });
  expect(error.message).toContain(`${process.platform} ${process.arch}`);
  expect(error.message).toContain("'@anush008/tokenizers-none'. Install");
});
