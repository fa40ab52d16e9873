// The targets run the build, as users do, and reach into it where a reader takes bytes.
const dist = new URL('../../dist/', import.meta.url);

/** A module of the build. */
export const built = (path) => import(new URL(path, dist).href);
